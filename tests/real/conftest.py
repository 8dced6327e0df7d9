"""Each model's tests in one process, which holds what others have loaded and run before."""

from __future__ import annotations

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Groups for `--dist loadgroup`."""
    for item in items:
        decoder = "SmolLM2" in item.nodeid or "decoder" in item.nodeid
        item.add_marker(pytest.mark.xdist_group("decoder" if decoder else "encoder"))

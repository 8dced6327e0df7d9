"""Time of a call, and memory of this process (on Linux)."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

PROCESS = Path("/proc/self")


def seconds(work: Callable[[], object]) -> float:
    """Wall time of one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def memory(entry: str) -> float:
    """MiB: `VmRSS`, what the process has, or `VmHWM`, its peak since `forget_peak`."""
    lines = (PROCESS / "status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(entry))


def forget_peak() -> None:
    """Count the peak anew from here."""
    (PROCESS / "clear_refs").write_text("5")

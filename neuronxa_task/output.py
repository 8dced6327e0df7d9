"""Check that an output folder can be written, before the work starts."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from neuronxa_task.errors import NeuronXAError, is_harness_command, option


def require_writable(folder: Path, option: str) -> None:
    """Check that a folder, or the nearest existing parent to create it in, can be written.

    Args:
        folder: the output folder; it need not exist.
        option: where the user names it, for the message: `--output`, for example.

    Raises:
        NeuronXAError: it cannot be written, or a file is in the way.
    """
    try:
        parents = (folder, *folder.absolute().parents)
        nearest = next(path for path in parents if os.path.lexists(path))
        if not nearest.is_dir():
            raise NeuronXAError(f"{option} is {folder}, but {nearest} is a file; expected a folder")
        if not os.access(nearest, os.W_OK | os.X_OK):
            raise NeuronXAError(f"{option} is {folder}, but {nearest} cannot be written")
    except (OSError, ValueError) as error:
        if isinstance(error, NeuronXAError):
            raise
        raise NeuronXAError(f"{option} is {str(folder)!r}; expected a folder ({error})") from error


def require_output_of_harness() -> None:
    """Check the folder of `lm_eval --output_path`; if it fails at the end, the harness only warns.

    It is read from the command and the file named by --config, since the harness does not tell its
    tasks. The command's has precedence.

    Raises:
        NeuronXAError: it cannot be written, or a file is in the way.
    """
    if not is_harness_command():
        return
    given, named_by = option(sys.argv, "--output_path") or option(sys.argv, "-o"), "--output_path"
    if not given and (config := option(sys.argv, "--config") or option(sys.argv, "-C")):
        given, named_by = _output_path_in(Path(config)), f"output_path of {config}"
    if given:
        path = Path(given)
        require_writable(path.parent if path.suffix == ".json" else path, named_by)


def _output_path_in(config: Path) -> str | None:
    """`output_path` of a configuration file; the harness has reported what it cannot read."""
    import yaml

    try:
        settings = yaml.safe_load(config.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return None
    given = settings.get("output_path") if isinstance(settings, dict) else None
    return given if isinstance(given, str) else None

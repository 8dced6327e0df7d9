"""Check before the work that an output folder can be written."""

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

    It is read from the command, as the harness tells its tasks nothing of it.

    Raises:
        NeuronXAError: it cannot be written, or a file is in the way.
    """
    given = option(sys.argv, "--output_path") or option(sys.argv, "-o")
    if given and is_harness_command():
        path = Path(given)
        require_writable(path.parent if path.suffix == ".json" else path, "--output_path")

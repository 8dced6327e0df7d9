"""The packaged task files, which the harness indexes."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path


def folder() -> Path:
    """The folder of the task files, for `lm_eval --include_path`.

    Raises:
        NeuronXAError: the package is in an archive, and the files cannot be extracted.
    """
    from pathlib import Path

    here = Path(__file__).parent
    return here if here.is_dir() else _unpacked()


def _unpacked() -> Path:
    """Extract the files from the archive that contains the package; the harness needs a folder."""
    import importlib.metadata
    import importlib.resources
    import os
    import shutil
    import tempfile
    from pathlib import Path

    from neuronxa_task.errors import NeuronXAError

    version = importlib.metadata.version("lm-eval-neuronxa")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "neuronxa" / version
    copy = cache / "task_configs"
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as scratch:
            for family in importlib.resources.files(__name__).iterdir():
                if family.is_dir() and family.name != "__pycache__":
                    target = Path(scratch) / "task_configs" / family.name
                    target.mkdir(parents=True)
                    for file in family.iterdir():
                        if file.is_file():
                            (target / file.name).write_bytes(file.read_bytes())
            shutil.rmtree(copy, ignore_errors=True)
            (Path(scratch) / "task_configs").rename(copy)
    except OSError as error:
        raise NeuronXAError(
            f"the task files are inside an archive and cannot be copied to {copy}: "
            f"{error.strerror}; name another folder with XDG_CACHE_HOME"
        ) from error
    return copy

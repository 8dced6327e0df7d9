"""How the stock harness finds our tasks: an import finder that waits for its task manager.

A line in `lm_eval_neuronxa.pth` calls `install` when Python starts. Therefore this module imports
only what Python has already loaded by then, and it never raises. When the module that defines
`TaskManager` is imported, its constructor is extended to index our folder. Until then, and in
programs that never import the harness, the finder only compares module names.

A harness that reads `lm_eval.tasks` entry points (its pull request 4015) uses our entry point.
"""

from __future__ import annotations

import os
import sys
from _thread import get_ident

TYPE_CHECKING = False  # importing `typing` would take longer than everything here
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.abc import Loader
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any

SWITCH = "NEURONXA_DISCOVERY"
"""Environment variable; `0` leaves the harness unchanged."""

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "task_configs")
MODULES = frozenset({"lm_eval.tasks", "lm_eval.tasks.manager"})
"""Modules that define `TaskManager`: up to lm_eval 0.4.11, and later."""


def is_on() -> bool:
    """Whether discovery is switched on; `NEURONXA_DISCOVERY=0` switches it off."""
    return os.environ.get(SWITCH, "1") != "0"


def install() -> None:
    """Make every harness that is imported from now on find our tasks; safe to call again."""
    if is_on() and not any(isinstance(finder, Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, Finder())


class Finder:
    """Wraps the loader that the other finders give for the task manager's module."""

    def __init__(self) -> None:
        self._searches: set[tuple[int, str]] = set()

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The other finders' spec for the task manager's module; `None` for any other module."""
        search = (get_ident(), name)
        # Another finder that asks all finders would ask this one again.
        if name not in MODULES or search in self._searches:
            return None
        self._searches.add(search)
        try:
            for finder in sys.meta_path:
                find_spec = getattr(finder, "find_spec", None)
                if finder is self or find_spec is None:
                    continue
                spec: ModuleSpec | None = find_spec(name, path, target)
                if spec is not None:
                    if hasattr(spec.loader, "exec_module"):
                        spec.loader = _Loader(spec.loader)  # type: ignore[arg-type, assignment]
                    return spec
        except Exception:  # the import continues without us and reports the error
            return None
        finally:
            self._searches.discard(search)
        return None


class _Loader:
    """Wraps the module's loader, and restores it before the module's code runs."""

    def __init__(self, loader: Loader) -> None:
        self._loader = loader

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        try:
            extend(module)
        except Exception:  # the harness works without our tasks
            return


def extend(module: ModuleType) -> None:
    """Make the `TaskManager` that `module` defines index our folder after the harness's own."""
    manager = vars(module).get("TaskManager")
    if manager is None or manager.__module__ != module.__name__:
        return
    if not reads_entry_points(module, manager):
        manager.__init__ = _with_our_folder(manager.__init__)


def reads_entry_points(module: ModuleType, manager: type) -> bool:
    """Whether a function in the module or class reads entry points, and so finds ours."""
    functions = (*vars(module).values(), *vars(manager).values())
    codes = (getattr(getattr(f, "__func__", f), "__code__", None) for f in functions)
    return any("entry_points" in getattr(code, "co_names", ()) for code in codes)


def _with_our_folder(initialize: Callable[..., None]) -> Callable[..., None]:
    import functools
    import inspect

    signature = inspect.signature(initialize)

    @functools.wraps(initialize)
    def extended(*args: Any, **kwargs: Any) -> None:
        try:
            call = signature.bind(*args, **kwargs)
            if is_on() and call.arguments.get("include_defaults", True):
                paths = with_our_folder(call.arguments.get("include_path"))
                call.arguments["include_path"] = paths
            args, kwargs = call.args, call.kwargs
        except Exception:  # the call is wrong anyway; the harness reports how
            pass
        initialize(*args, **kwargs)

    return extended


def with_our_folder(include_path: Any) -> Any:
    """Put our folder before those that the user includes, so that the user's tasks win.

    Args:
        include_path: one folder, several or none, as `TaskManager` accepts them.

    Returns:
        All folders; `include_path` itself if it already includes ours.
    """
    given = include_path if isinstance(include_path, (list, tuple)) else [include_path]
    paths = [os.fspath(path) for path in given if path]
    ours = os.path.realpath(FOLDER)
    included = (os.path.join(os.path.realpath(path), "") for path in paths)
    if not os.path.isdir(FOLDER) or os.path.join(ours, "").startswith(tuple(included)):
        return include_path
    return [FOLDER, *paths]

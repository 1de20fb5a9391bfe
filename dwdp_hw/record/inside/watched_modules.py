"""Change modules at the moment they have been imported, however and whenever the engine imports them."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.abc import Loader, MetaPathFinder
from types import ModuleType
from typing import Any

OnImport = Callable[[ModuleType], None]


class ModuleWatch(MetaPathFinder):
    """First of the finders: lets the others find a watched module, and calls back once it has run.

    Names that other modules take from it (`from … import …`) are then the changed ones already.
    """

    def __init__(self, watched: Mapping[str, OnImport]) -> None:
        self._watched = dict(watched)

    def install(self) -> None:
        """Begin; modules that are there already are changed at once."""
        for name, on_import in self._watched.items():
            if name in sys.modules:
                on_import(sys.modules[name])
        sys.meta_path.insert(0, self)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Find a watched module by the other finders; all others are left to them."""
        if fullname not in self._watched:
            return None
        for finder in sys.meta_path:
            find = getattr(finder, "find_spec", None)
            spec = None if finder is self or find is None else find(fullname, path, target)
            if spec is not None:
                if spec.loader is not None:
                    spec.loader = _Loader(spec.loader, self._watched[fullname])
                return spec  # type: ignore[no-any-return]
        return None


class _Loader(Loader):
    """The module's own loader, and a call when it has done its work."""

    def __init__(self, own: Any, on_import: OnImport) -> None:
        self._own, self._on_import = own, on_import

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        """As the module's own loader does."""
        return self._own.create_module(spec)  # type: ignore[no-any-return]

    def exec_module(self, module: ModuleType) -> None:
        """Run the module, give it its own loader back, and call."""
        if module.__spec__ is not None:
            module.__spec__.loader = self._own
        module.__loader__ = self._own
        self._own.exec_module(module)
        self._on_import(module)

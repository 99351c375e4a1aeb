"""Waiting for the moment a script imports a framework.

Frameworks read environment variables when they are loaded (`OMP_NUM_THREADS`), and scripts set those before they import
one. So a framework is never loaded ahead of the script; what has to be done to it is done as soon as it is there.
"""

import sys
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType


def on_arrival(name: str, call: Callable[[], None]) -> None:
    """Call a function once a module has been imported; at once if it is there already.

    Args:
        name: The module's name, a top-level one.
        call: The function. It must not raise.
    """
    if name in sys.modules:
        call()
    else:
        sys.meta_path.insert(0, _Lookout(name, call))


class _Lookout(MetaPathFinder):
    """Stands before the finders of imports until the module has been imported; asking for its spec is not enough."""

    def __init__(self, name: str, call: Callable[[], None]) -> None:
        self.name = name
        self.call = call
        self._asking = False

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != self.name or self._asking:
            return None
        self._asking = True
        try:
            spec = find_spec(fullname)
        finally:
            self._asking = False
        if spec is not None and spec.loader is not None:
            spec.loader = _Announcing(spec.loader, self)
        return spec

    def announce(self) -> None:
        if self in sys.meta_path:
            sys.meta_path.remove(self)
            self.call()


class _Announcing(Loader):
    """The module's own loader, which is put back in its place as soon as it is used."""

    def __init__(self, own: Loader, lookout: _Lookout) -> None:
        self.own = own
        self.lookout = lookout

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self.own.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        module.__loader__ = self.own
        if module.__spec__ is not None:
            module.__spec__.loader = self.own
        self.own.exec_module(module)
        self.lookout.announce()

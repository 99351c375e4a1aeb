"""Looking for a module by name without importing anything, not even the packages it lies in."""

import os
import sys
from collections.abc import Sequence
from importlib.machinery import PathFinder
from pathlib import Path

from lossgauge.errors import InputError


def find_module(name: str) -> Path | None:
    """Make sure that `python -m name` would find something, as far as can be said without running code.

    Args:
        name: The module, or a package with a `__main__`.

    Returns:
        The file of its code; None where only its import can tell.

    Raises:
        InputError: When there is no such module.
    """
    places: Sequence[str] = [*([] if sys.flags.safe_path else [os.getcwd()]), *sys.path]
    parts, file = name.split("."), Path()
    for count, part in enumerate(parts, 1):
        known = ".".join(parts[:count])
        if not part.isidentifier():
            raise InputError(f"{name!r} is no name of a module, expected one such as package.module")
        if known in sys.builtin_module_names:
            return None
        found = PathFinder.find_spec(known, places)
        if found is None:
            raise InputError(f"there is no module {known!r}, here or installed; expected what `python -m` can run")
        if found.origin is None:
            return None  # a namespace, which only its import can search
        if found.submodule_search_locations is None and count < len(parts):
            hint = "; a script is run without -m" if name.endswith(".py") else ""
            raise InputError(f"there is no module {name!r}, for {known!r} is no package{hint}")
        places, file = found.submodule_search_locations or (), Path(found.origin)
    return file.with_name("__main__.py") if places else file

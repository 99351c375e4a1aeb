"""Running a script, or a module, as the main module of this process, as `python train.py` and `python -m train` do."""

import builtins
import io
import os
import sys
from collections.abc import Sequence
from importlib.machinery import SourceFileLoader
from types import ModuleType


def run_as_main(name: str, args: Sequence[str] = (), module: bool = False) -> None:
    """Run it; its module stays the main module, so that what it defined can still be found and unpickled.

    Args:
        name: The script's path, or the name of the module.
        args: Its arguments.
        module: Whether `name` is that of a module, as in `python -m`.
    """
    sys.orig_argv[1:] = [*(["-m"] if module else []), name, *args]
    sys.modules["__main__"] = main = ModuleType("__main__")
    vars(main)["__builtins__"] = builtins
    vars(main)["__annotations__"] = {}
    if module:
        import runpy

        sys.argv[:] = ["-m", *args]
        _put_first(os.getcwd())
        # What the interpreter itself calls, so that packages, errors and tracebacks are those of `python -m`.
        vars(runpy)["_run_module_as_main"](name)
    else:
        sys.argv[:] = [name, *args]
        _put_first(os.path.dirname(os.path.realpath(name)))
        _execute(main, os.path.abspath(name))


def _execute(main: ModuleType, path: str) -> None:
    main.__file__ = path
    main.__loader__ = SourceFileLoader("__main__", path)
    vars(main)["__cached__"] = None
    with io.open_code(path) as source:
        code = compile(source.read(), path, "exec", dont_inherit=True)
    exec(code, vars(main))


def _put_first(folder: str) -> None:
    """Let imports look there first, unless the user has told the interpreter not to (`PYTHONSAFEPATH`)."""
    if not sys.flags.safe_path:
        sys.path.insert(0, folder)

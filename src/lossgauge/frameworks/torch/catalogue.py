"""Finding optimizers by name: torch's own by short name, anybody's by `module:Class` or `file.py:Class`."""

import difflib
import importlib
import importlib.util
import inspect
import os
import sys
from typing import Any

import torch

from lossgauge.errors import InputError
from lossgauge.frameworks.torch.subjects import OptimizerSubject
from lossgauge.frameworks.torch.vehicles import CLIP_FUNCTIONS, SCHEDULES, clip_factory, schedule_factory

OPTIMIZERS = "torch.optim"
CLIPS = "torch.nn.utils"
SCHEDULERS = "torch.optim.lr_scheduler"


def torch_optimizers() -> dict[str, type]:
    """The optimizers of the installed torch.

    Returns:
        Class name → class, in alphabetical order.
    """
    found = {
        name: value
        for name, value in vars(torch.optim).items()
        if inspect.isclass(value) and issubclass(value, torch.optim.Optimizer) and value is not torch.optim.Optimizer
    }
    return dict(sorted(found.items()))


def known_targets() -> list[str]:
    """Everything of torch's own that has a law to find.

    Returns:
        Targets `module:name` of optimizers, clip functions and schedules.
    """
    return (
        [f"{OPTIMIZERS}:{name}" for name in torch_optimizers()]
        + [f"{CLIPS}:{name}" for name in CLIP_FUNCTIONS]
        + [f"{SCHEDULERS}:{name}" for name in SCHEDULES]
    )


def kind_of(target: str) -> str:
    """Whether a target is an optimizer, a clip function or a schedule.

    Args:
        target: One of `known_targets`.

    Returns:
        `optimizer`, `clip` or `schedule`.
    """
    return {CLIPS: "clip", SCHEDULERS: "schedule"}.get(target.partition(":")[0], "optimizer")


def schedule_on(target: str, carrier: str) -> OptimizerSubject:
    """A schedule mounted on another optimizer than plain descent.

    Args:
        target: `torch.optim.lr_scheduler:Name`.
        carrier: The name of a torch optimizer, such as `Adam`.

    Returns:
        The subject.
    """
    return OptimizerSubject(target, schedule_factory(load(target), carrier), ("lr",))


def find(target: str) -> OptimizerSubject:
    """The subject a person named.

    Args:
        target: `adam`, `torch.optim:Adam`, `torch.optim.Adam`, `package.module:Class`, `file.py:factory`.

    Returns:
        The subject.

    Raises:
        InputError: When there is no such thing; the nearest name is suggested.
    """
    if ":" not in target:
        full = next((known for known in known_targets() if _matches(target, known)), None)
        if full is None and "." in target and not target.endswith(".py"):
            module, _, name = target.rpartition(".")
            full = f"{module}:{name}"
        if full is None:
            raise InputError(unknown_name(target, [known.partition(":")[2] for known in known_targets()]))
        target = full
    return subject_of(load(target), target)


def subject_of(factory: Any, target: str | None = None) -> OptimizerSubject:
    """A class, factory, clip function or schedule as a subject.

    Args:
        factory: The object.
        target: Its name, where it is known.

    Returns:
        The subject.

    Raises:
        InputError: When it is not callable.
    """
    if not callable(factory):
        raise InputError(f"{target} is {type(factory).__name__}, expected an optimizer class or a factory function")
    target = canonical_target(factory) if target is None else target
    if inspect.isclass(factory) and issubclass(factory, torch.optim.Optimizer):
        return OptimizerSubject(canonical_target(factory) if target.startswith("torch.") else target, factory)
    name = getattr(factory, "__name__", "")
    if name in CLIP_FUNCTIONS or name.startswith("clip_grad"):
        return OptimizerSubject(f"{CLIPS}:{name}" if name in CLIP_FUNCTIONS else target, clip_factory(factory), ("lr",))
    if inspect.isclass(factory) and issubclass(factory, torch.optim.lr_scheduler.LRScheduler):
        return OptimizerSubject(target, schedule_factory(factory), ("lr",))
    return OptimizerSubject(target, factory)


def canonical_target(factory: Any) -> str:
    """The name of a class or function as `module:name`.

    Args:
        factory: The class or function.

    Returns:
        The target; torch's own optimizers are `torch.optim:Name`.
    """
    name = getattr(factory, "__qualname__", type(factory).__qualname__)
    if torch_optimizers().get(name) is factory:
        return f"{OPTIMIZERS}:{name}"
    return f"{getattr(factory, '__module__', '?')}:{name}"


def load(target: str) -> Any:
    """Import what `module:name` or `file.py:name` names; the current folder is on the path.

    Args:
        target: The target.

    Returns:
        The object.

    Raises:
        InputError: When the module cannot be imported or has no such name.
    """
    place, _, path = target.partition(":")
    module = _import(place, target)
    value: Any = module
    for part in path.split("."):
        if not hasattr(value, part):
            names = [n for n in dir(value) if not n.startswith("_")]
            raise InputError(f"{place} has no {path!r}{_suggestion(part, names)}")
        value = getattr(value, part)
    return value


def unknown_name(name: str, known: list[str]) -> str:
    """The message for a name nobody knows.

    Args:
        name: What was given.
        known: What would have been accepted.

    Returns:
        One line with the nearest name.
    """
    return f"no optimizer is called {name!r}{_suggestion(name, known)}; expected a name such as adam, or module:Class"


def _suggestion(name: str, known: list[str]) -> str:
    lowered = {k.lower(): k for k in known}
    near = difflib.get_close_matches(name.lower(), list(lowered), n=1, cutoff=0.5)
    return f"; did you mean {lowered[near[0]]!r}?" if near else ""


def _matches(name: str, target: str) -> bool:
    module, _, own = target.partition(":")
    plain = name.lower().strip().rstrip("_")
    return plain in (own.lower().rstrip("_"), f"{module}.{own}".lower().rstrip("_"))


def _import(place: str, target: str) -> Any:
    if not place or ":" not in target or target.endswith(":"):
        raise InputError(f"{target!r} is not a target; expected module:name, such as torch.optim:Adam")
    try:
        if place.endswith(".py"):
            return _import_file(place)
        if os.getcwd() not in sys.path:
            sys.path.insert(0, os.getcwd())
        return importlib.import_module(place)
    except Exception as error:
        raise InputError(f"{place} cannot be imported: {type(error).__name__}: {error}") from error


def _import_file(path: str) -> Any:
    if not os.path.isfile(path):
        raise FileNotFoundError(f"no file {path}")
    name = os.path.splitext(os.path.basename(path))[0]
    sys.path.insert(0, os.path.dirname(os.path.abspath(path)))
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    before = sys.modules.get(name)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        sys.modules.pop(name)
        sys.modules.update({} if before is None else {name: before})
        raise
    return module

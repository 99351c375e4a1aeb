"""Optimizers that look at a whole weight tensor, its norm, its mean, its products: stacked tensor by tensor."""

import contextlib
import inspect
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch._functorch.vmap import vmap_increment_nesting

from lossgauge.frameworks.torch.catalogue import load
from lossgauge.frameworks.torch.conditions import compiler_unloaded, eager, own_step
from lossgauge.frameworks.torch.stacking.batching import Batching
from lossgauge.frameworks.torch.stacking.layout import Layout
from lossgauge.frameworks.torch.stacking.program import Unstackable
from lossgauge.frameworks.torch.stacking.replicated import Replicated, each, replicated_math, voting
from lossgauge.frameworks.torch.stacking.serial import needs_closure
from lossgauge.frameworks.torch.stacking.trial import train_alone
from lossgauge.records.sweep import Setting

STEPS = 6
CLOSE = {torch.float64: 1e-11, torch.float32: 1e-6}
"""How far weights may be from those of the plain loop, relative to the largest: sums may be made in another order."""


class TensorwiseUpdate:
    """The steps of an optimizer for a chunk of replicas, made by its own code on stacks of weight tensors.

    Args:
        settings: One for each replica; what they differ in besides α and seed are floating-point hyperparameters.
        layout: Where the weights lie.
        rows: They themselves, (replicas, width); changed in place.
        numbers: Whether those hyperparameters may differ; else they are plain numbers, the same for all.

    Raises:
        Unstackable: When the optimizer needs the loss.
    """

    def __init__(self, settings: Sequence[Setting], layout: Layout, rows: Tensor, numbers: bool) -> None:
        self.slots = [rows, torch.zeros_like(rows)]
        self._layout, self._dead = layout, np.zeros(len(settings), dtype=bool)
        self._mode: Batching | None = None
        self._spaces: list[dict[str, Any]] = []
        factory = load(settings[0].optimizer)
        with self._running():
            mode = self._batching()
            self._weights = [mode.wrap(view) for view in layout.views(rows)]
            self._optimizer = factory(list(self._weights), **_arguments(settings, numbers))
            if callable(getattr(self._optimizer, "train", None)):
                self._optimizer.train()
        if needs_closure(self._optimizer):
            raise Unstackable("step needs a closure")
        self._step = own_step(self._optimizer)
        self._spaces = _spaces_of(type(self._optimizer))

    @property
    def gradient(self) -> Tensor:
        """Where the gradient of the next step is written."""
        return self.slots[1]

    def step(self, number: int) -> None:
        """Make one step.

        Args:
            number: Its number, from 0; the optimizer counts itself.
        """
        sums = (self.slots[0].sum(dim=1) + self.gradient.sum(dim=1)).double().numpy()
        sound = ~self._dead
        for place in np.flatnonzero(~np.isfinite(sums)):
            sound[place] &= all(bool(torch.isfinite(slot[place]).all()) for slot in self.slots)
        with self._running(), voting(sound):
            for weight, gradient in zip(self._weights, self._layout.views(self.gradient), strict=True):
                weight.grad = self._batching().wrap(gradient.clone())
            self._step()
            for weight in self._weights:
                weight.grad = None

    def bury(self, place: int) -> None:
        """Set everything a replica has to zero: it does not count any more.

        Args:
            place: Its place.
        """
        self._dead[place] = True
        for slot in self.slots:
            slot[place].zero_()

    def _batching(self) -> Batching:
        assert self._mode is not None
        return self._mode

    @contextlib.contextmanager
    def _running(self) -> Iterator[None]:
        """While the optimizer's code runs; the level of `vmap` is the same each time."""
        count = len(self._dead)
        with contextlib.ExitStack() as stack:
            stack.enter_context(warnings.catch_warnings())
            warnings.simplefilter("ignore")
            for context in (compiler_unloaded(), eager(), replicated_math(), torch.no_grad()):
                stack.enter_context(context)
            stack.enter_context(following(self._spaces))
            level = stack.enter_context(vmap_increment_nesting(count, "error"))
            self._mode = self._mode or Batching(count, level)
            stack.enter_context(self._mode)
            yield


@contextlib.contextmanager
def following(spaces: Sequence[dict[str, Any]]) -> Iterator[None]:
    """Let `max`, `min` and `float` in some modules follow numbers that differ between replicas.

    Args:
        spaces: The names known where the code of an optimizer is; elsewhere Python's own are called.

    Yields:
        Nothing; everything is put back on leaving.
    """
    changed = [(space, name) for space in spaces for name in _STAND_INS if name not in space]
    for space, name in changed:
        space[name] = _STAND_INS[name]
    try:
        yield
    finally:
        for space, name in changed:
            space.pop(name, None)


def acts_tensorwise(settings: Sequence[Setting], layout: Layout, dtype: torch.dtype, numbers: bool) -> bool:
    """Whether an optimizer, run on stacks of weight tensors, does to each replica what it does alone.

    Args:
        settings: Of one group; a few are tried.
        layout: The shapes of the weight tensors.
        dtype: The number format of the weights.
        numbers: As for `TensorwiseUpdate`.

    Returns:
        True where stacked steps are close to serial ones and have the same bits whatever runs beside them.
    """
    chosen = [settings[len(settings) * k // 3] for k in range(3)]
    orders = ([0, 1, 2], [2, 0], [1, 2, 0, 0, 1])
    generator = torch.Generator().manual_seed(7)
    sizes, shapes = [p.size for p in layout.places], [p.shape for p in layout.places]
    try:
        with torch.random.fork_rng(devices=[]):
            for kind in {torch.float64, dtype}:
                start = torch.randn(3, sum(sizes), generator=generator, dtype=kind)
                gradients = torch.randn(STEPS, 3, sum(sizes), generator=generator, dtype=kind)
                gradients *= torch.tensor([0.1, 1.0, 10.0], dtype=kind)[:, None]
                found = [_steps(chosen, layout, start, gradients, order, numbers) for order in orders]
                for order, rows in zip(orders[1:], found[1:], strict=True):
                    if not torch.equal(rows, found[0][order]):
                        return False
                for place, setting in enumerate(chosen):
                    alone = train_alone(setting, start[place], gradients[:, place], shapes, sizes)
                    far = (found[0][place] - alone).abs().max()
                    if not bool(far <= CLOSE[kind] * alone.abs().max()):
                        return False
    except Exception:  # whatever it is: its code cannot be run on stacks, and the plain loop says what is wrong
        return False
    return True


def _steps(
    settings: Sequence[Setting], layout: Layout, start: Tensor, gradients: Tensor, order: list[int], numbers: bool
) -> Tensor:
    """The weights of some replicas, in this order, after the steps of a trial."""
    sizes = [place.size for place in layout.places]
    rows = torch.zeros(len(order), layout.width, dtype=start.dtype)
    _fill(layout.views(rows), start[order], sizes)
    update = TensorwiseUpdate([settings[k] for k in order], layout, rows, numbers)
    for step, gradient in enumerate(gradients):
        _fill(layout.views(update.gradient), gradient[order], sizes)
        update.step(step)
    return torch.cat([view.reshape(len(order), -1) for view in layout.views(rows)], dim=1)


def _fill(views: list[Tensor], rows: Tensor, sizes: list[int]) -> None:
    for view, part in zip(views, rows.split(sizes, dim=1), strict=True):
        view.copy_(part.reshape(view.shape))


def _arguments(settings: Sequence[Setting], numbers: bool) -> dict[str, Any]:
    """What the constructor is given: single floating-point numbers may differ between replicas."""
    given: dict[str, Any] = dict(settings[0].hyperparameters)
    if numbers:
        for name, value in given.items():
            if isinstance(value, float):
                given[name] = Replicated([float(s.hyperparameters[name]) for s in settings])  # type: ignore[arg-type]
    return given


def _spaces_of(kind: type) -> list[dict[str, Any]]:
    """The names known where `step` is written, and where the functions of the same package are that it knows."""
    steps = [inspect.unwrap(found) for base in kind.__mro__ if callable(found := vars(base).get("step"))]
    own = [step.__globals__ for step in steps if inspect.isfunction(step) and step is not torch.optim.Optimizer.step]
    found = {id(space): space for space in own}
    for space in own:
        for known in list(space.values()):
            if inspect.isfunction(known) and known.__module__.split(".")[0] == str(space.get("__name__")).split(".")[0]:
                found.setdefault(id(known.__globals__), known.__globals__)
    return list(found.values())


def _replicating(function: Callable[..., Any]) -> Callable[..., Any]:
    def stand_in(*operands: Any, **options: Any) -> Any:
        several = len(operands) > 1 and any(isinstance(x, Replicated) for x in operands)
        return each(function, *operands) if several else function(*operands, **options)

    return stand_in


class _FloatKind(type):
    """Makes of a stacked tensor a number for each replica, and is `float` in every other respect."""

    def __call__(cls, value: Any = 0.0) -> Any:
        if isinstance(value, Tensor):
            return value.item()
        return value if isinstance(value, Replicated) else float(value)

    def __getattr__(cls, name: str) -> Any:
        return getattr(float, name)

    def __instancecheck__(cls, value: object) -> bool:
        return isinstance(value, float)

    def __subclasscheck__(cls, kind: type) -> bool:
        return issubclass(kind, float)


class _Float(metaclass=_FloatKind):
    """What `float` stands for meanwhile."""


_STAND_INS = {"max": _replicating(max), "min": _replicating(min), "float": _Float}

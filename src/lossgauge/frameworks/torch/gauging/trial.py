"""Making an optimizer's next step on copies: its own code, in float64, without touching anything of the training."""

import copy
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.optim import Optimizer

from lossgauge.frameworks.torch.gauging.bundles import Bundle, bundle
from lossgauge.frameworks.torch.gauging.memories import Part, take_apart
from lossgauge.frameworks.torch.gauging.pieces import Piece, native
from lossgauge.frameworks.torch.injection.patches import replaced
from lossgauge.laws.law import Law

_OWN = ("state", "param_groups", "step", "grad_scale", "found_inf", "defaults")
"""Attributes of an optimizer that its twin gets afresh or not at all; `step` is a scheduler's wrapper."""


T = TypeVar("T")


@dataclass(frozen=True)
class Change:
    """How a trial differs from the step itself.

    Args:
        alpha: What the gradient is multiplied by.
        settled: Whether the states move too, as if α, or the setting, had always been so.
        setting: A hyperparameter that is changed, or an empty text.
        factor: What it is multiplied by.
    """

    alpha: float = 1.0
    settled: bool = False
    setting: str = ""
    factor: float = 1.0

    def of(self, part: Part) -> Any:
        """A part of a state under this change.

        Args:
            part: The part.

        Returns:
            Its value times α and the setting's factor, each to its power.
        """
        if not self.settled:
            return part.value
        value = part.value if self.alpha == 1.0 else part.value * self.alpha**part.alpha
        power = part.settings.get(self.setting)
        return value if power is None else value * self.factor**power


class Trials:
    """Steps of one optimizer on copies of some of its tensors."""

    def __init__(self, optimizer: Optimizer, pieces: Sequence[Piece], law: Law | None) -> None:
        """Prepare; nothing is run yet.

        Args:
            optimizer: The live optimizer; its class and its own attributes are used.
            pieces: The copies, each with its gradient.
            law: Its law, where it is known; without one states stay as they are.
        """
        self.optimizer = optimizer
        self.bundles = bundle(pieces)
        self.memories = [{} if law is None else take_apart(one.piece, law) for one in self.bundles]
        self._starts = [one.piece.weight for one in self.bundles]

    def estimated(self) -> list[frozenset[str]]:
        """Which settings' share of the states is an estimate.

        Returns:
            For each piece the hyperparameters that an estimated part of one of its states depends on.
        """
        found = [
            frozenset(name for parts in memory.values() for part in parts if part.estimated for name in part.settings)
            for memory in self.memories
        ]
        return self._in_order([names] * len(one.members) for one, names in zip(self.bundles, found, strict=True))

    def start_from_zero(self, places: Set[int]) -> None:
        """Let the weights of some pieces be zero from now on.

        Args:
            places: Their places; all others start from the weights they have.
        """
        self._starts = [one.piece.weight.clone() for one in self.bundles]
        for one, start in zip(self.bundles, self._starts, strict=True):
            for place, part in zip(one.members, one.split(start), strict=True):
                if place in places:
                    part.zero_()

    def updates(self, change: Change | None = None) -> list[Tensor]:
        """Make the step once.

        Args:
            change: How it differs; None for the step itself.

        Returns:
            Δw of each piece in W, float64.
        """
        return self._in_order(one.split(update) for one, update in self._step(change or Change()))

    def sizes(self, change: Change) -> list[float]:
        """Make the step once.

        Args:
            change: How it differs.

        Returns:
            ‖Δw‖ of each piece in W.
        """
        return self._in_order(one.sizes(update) for one, update in self._step(change))

    def _in_order(self, found: Iterable[Sequence[T]]) -> list[T]:
        places = {
            p: value
            for one, values in zip(self.bundles, found, strict=True)
            for p, value in zip(one.members, values, strict=True)
        }
        return [places[place] for place in sorted(places)]

    def _step(self, change: Change) -> list[tuple[Bundle, Tensor]]:
        copies = [torch.nn.Parameter(start.clone()) for start in self._starts]
        twin = self._twin(copies, change)
        with torch.random.fork_rng(devices=[]), _undecorated(type(self.optimizer)) as step, torch.no_grad():
            step(twin)
        moved = zip(self.bundles, copies, self._starts, strict=True)
        return [(one, end.detach().sub_(start)) for one, end, start in moved]

    def _twin(self, copies: list[torch.nn.Parameter], change: Change) -> Optimizer:
        twin = object.__new__(type(self.optimizer))
        vars(twin).update(self._attributes(copies, change))
        groups: dict[int, dict[str, Any]] = {}
        for one, memory, parameter in zip(self.bundles, self.memories, copies, strict=True):
            piece = one.piece
            parameter.grad = None if piece.gradient is None else piece.gradient * change.alpha
            group = groups.setdefault(id(piece.group), {**_changed(piece.group, change), "params": []})
            group["params"].append(parameter)
            if piece.state:
                twin.state[parameter] = {name: _fresh(v) for name, v in piece.state.items() if name not in memory} | {
                    name: sum((change.of(part) for part in parts[1:]), change.of(parts[0]) * 1.0)
                    for name, parts in memory.items()
                }
        twin.param_groups = list(groups.values())
        return twin

    def _attributes(self, copies: list[torch.nn.Parameter], change: Change) -> dict[str, Any]:
        live = vars(self.optimizer)
        own = {name: value for name, value in live.items() if name not in _OWN and "_hooks" not in name}
        if not native(self.optimizer):
            memo = {id(t): torch.empty(0) for group in self.optimizer.param_groups for t in group["params"]}
            memo |= {id(one.piece.tensor): copy_ for one, copy_ in zip(self.bundles, copies, strict=True)}
            own = copy.deepcopy(own, memo)  # a weight kept in an attribute becomes its copy, or nothing
        own = _changed(own, change)
        own |= {name: OrderedDict() for name in live if "_hooks" in name}
        own["defaults"] = _changed(getattr(self.optimizer, "defaults", {}), change)
        own["state"] = copy.copy(self.optimizer.state)
        own["state"].clear()
        return own


@contextmanager
def _undecorated(kind: type[Optimizer]) -> Iterator[Any]:
    """The step of a class without torch's wrapper, so that no hook is called; nor when it calls its parent's step."""
    with ExitStack() as stack:
        steps = [(owner, vars(owner)["step"]) for owner in kind.__mro__ if "step" in vars(owner)]
        for owner, step in steps[1:]:
            if getattr(step, "hooked", False):
                stack.enter_context(replaced(owner, "step", step.__wrapped__))
        step = steps[0][1]
        yield step.__wrapped__ if getattr(step, "hooked", False) else step


def _changed(settings: Mapping[str, Any], change: Change) -> dict[str, Any]:
    base, _, index = change.setting.partition("[")
    value = settings.get(base)
    if not base or isinstance(value, bool):
        return dict(settings)
    if isinstance(value, (tuple, list)) and index:
        place = int(index.rstrip("]"))
        entries = [e * change.factor if i == place and e is not None else e for i, e in enumerate(value)]
        return {**settings, base: tuple(entries)}
    if index or not isinstance(value, (int, float)):
        return dict(settings)
    return {**settings, base: value * change.factor}


def _fresh(value: Any) -> Any:
    return value.clone() if isinstance(value, Tensor) else copy.deepcopy(value)

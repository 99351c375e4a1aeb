"""Multiplying numbers and tensors by α^k, planned first and applied afterwards, so that nothing is left half-done.

Every product is formed and looked at before anything is changed: one that overflows, or loses bits below the smallest
normal number, would not train as before.
"""

import math
import sys
from collections.abc import Callable, MutableMapping
from dataclasses import replace
from fractions import Fraction
from functools import partial
from numbers import Real
from typing import Any

import torch

from lossgauge.errors import InputError
from lossgauge.laws.equivalence import exact_power, scaled
from lossgauge.laws.multiplier import power_of_two
from lossgauge.laws.spelling import spell_alpha
from lossgauge.records.rescaling import Change

Exponent = Callable[[str], Fraction]
"""From the name of a number, `eps` or `betas[1]`, to the power of the loss in it."""


class Edits:
    """The planned multiplications h → α^k·h.

    Args:
        alpha: The loss multiplier α, dimensionless.
        force: Whether numbers that lose bits below the smallest normal one are noted instead of refused.
    """

    def __init__(self, alpha: Fraction, force: bool = False) -> None:
        self.alpha, self.force = alpha, force
        self.changes: dict[tuple[str, str, Fraction], Change] = {}
        self.doubts: list[str] = []
        self.notes: list[str] = []
        self._actions: list[Callable[[], object]] = []
        self._seen: set[int] = set()

    def plan(
        self,
        holder: MutableMapping[str, Any],
        key: str,
        place: str,
        exponent: Exponent,
        *,
        in_place: bool = True,
        dtype: torch.dtype = torch.float64,
    ) -> None:
        """Plan `holder[key]` := α^k·`holder[key]`; lists and tuples entry by entry, anything not numeric stays.

        Args:
            holder: What holds the quantity.
            key: Its key there, also its name.
            place: Where that is, for people.
            exponent: k by name.
            in_place: Whether tensors are multiplied where they lie, or replaced by new ones.
            dtype: The format the numbers are used in.

        Raises:
            InputError: When a product overflows, or loses bits below the smallest normal number.
        """
        value = holder[key]
        after = self._product(value, key, place, exponent, in_place, dtype)
        if after is not value:
            self.then(lambda: holder.__setitem__(key, after))

    def then(self, action: Callable[[], object]) -> None:
        """Plan anything else, to be done in its turn.

        Args:
            action: What to do.
        """
        self._actions.append(action)

    def note(self, text: str) -> None:
        """Say something once.

        Args:
            text: One sentence.
        """
        self.notes += [text] * (text not in self.notes)

    def doubt(self, text: str) -> None:
        """Say once why the training may not go on bit for bit as before.

        Args:
            text: One sentence.
        """
        self.doubts += [text] * (text not in self.doubts)

    def apply(self) -> None:
        """Do everything that was planned."""
        with torch.no_grad():
            for action in self._actions:
                action()

    def _product(self, value: Any, name: str, place: str, exponent: Exponent, in_place: bool, dtype: Any) -> Any:
        if isinstance(value, (list, tuple)):
            entries = [
                self._product(entry, f"{name}[{i}]", place, exponent, in_place, dtype) for i, entry in enumerate(value)
            ]
            same = all(after is before for after, before in zip(entries, value, strict=True))
            return value if same else type(value)(entries)
        if isinstance(value, bool) or not isinstance(value, (torch.Tensor, Real)):
            return value
        power = exponent(name)
        if power == 0:
            return value
        if isinstance(value, torch.Tensor):
            return self._tensor(value, name, place, power, in_place)
        return self._number(float(value), name, place, power, dtype)

    def _number(self, value: float, name: str, place: str, power: Fraction, dtype: torch.dtype) -> float:
        try:
            after = scaled(value, power, self.alpha)
        except InputError as error:
            raise InputError(f"{name} of {place} cannot be rescaled: {error}") from None
        if after == value or not math.isfinite(value):
            return value
        limits = torch.finfo(dtype)
        if abs(value) <= limits.max < abs(after):
            raise InputError(_out_of_range(name, place, power, f"{after:g}", "overflows", dtype))
        smallest = max(limits.tiny, sys.float_info.min)
        if abs(after) < smallest <= abs(value):
            self._lose(_out_of_range(name, place, power, f"{after:g}", "underflows", dtype))
        self._record(place, name, value, after, power, 0)
        return after

    def _tensor(self, value: torch.Tensor, name: str, place: str, power: Fraction, in_place: bool) -> torch.Tensor:
        if in_place and id(value) in self._seen:  # one tensor may be the learning rate of several groups
            return value
        if in_place:
            self._seen.add(id(value))
        factor = self._factor(name, place, power)
        product = self._checked(value.detach(), name, place, power, factor)
        if product is None:
            return value
        before, after = (float(_numbers(t).abs().max()) for t in (value.detach(), product))
        self._record(place, name, before, after, power, 1)
        if not in_place:
            return product
        self.then(partial(value.mul_, factor))
        return value

    def _factor(self, name: str, place: str, power: Fraction) -> float:
        try:
            return scaled(1.0, power, self.alpha)
        except InputError as error:
            raise InputError(f"{name} of {place} cannot be rescaled: {error}") from None

    def _checked(
        self, value: torch.Tensor, name: str, place: str, power: Fraction, factor: float
    ) -> torch.Tensor | None:
        """The product, or None where there is nothing to multiply."""
        if not (value.dtype.is_floating_point or value.dtype.is_complex):
            raise InputError(
                f"{name} of {place} holds whole numbers ({value.dtype}) and cannot be multiplied by α^{power}"
            )
        before = _numbers(value)
        live = before.isfinite() & (before != 0)
        if not live.any():
            return None
        product = value * factor
        after = _numbers(product)
        if not after[live].isfinite().all():
            raise InputError(_out_of_range(name, place, power, "some elements", "overflow", value.dtype))
        tiny = torch.finfo(before.dtype).tiny
        lost = live & (after.abs() < tiny) & ((before.abs() >= tiny) | (after / factor != before))
        if lost.any():
            self._lose(_out_of_range(name, place, power, "some elements", "underflow", value.dtype))
        return product

    def _lose(self, message: str) -> None:
        if not self.force:
            raise InputError(message)
        self.doubt(f"{message.partition(';')[0]}, so bits are lost")

    def _record(self, place: str, name: str, before: float, after: float, power: Fraction, tensors: int) -> None:
        factor = exact_power(self.alpha, power)
        if factor is None or not power_of_two(factor):
            alpha = spell_alpha(self.alpha)
            what = f"{alpha}^({power})" if power_of_two(self.alpha) else f"alpha {alpha}"
            self.doubt(f"{what} is no power of two: the same up to rounding, not bit for bit")
        entry = (place, name, power)
        if entry in self.changes:
            old = self.changes[entry]
            before, after, tensors = max(old.before, before), max(old.after, after), old.tensors + tensors
            self.changes[entry] = replace(old, before=before, after=after, tensors=tensors)
        else:
            self.changes[entry] = Change(place, name, before, after, power, tensors)


def _numbers(value: torch.Tensor) -> torch.Tensor:
    """The elements as real numbers."""
    if value.is_sparse:
        value = value.coalesce().values()
    return torch.view_as_real(value) if value.is_complex() else value


def _out_of_range(name: str, place: str, power: Fraction, what: str, does: str, dtype: torch.dtype) -> str:
    kind = str(dtype).removeprefix("torch.")
    return f"{name} of {place}: multiplied by α^{power}, {what} {does} {kind}; choose an alpha nearer 1"

"""Keeping the books while an optimizer runs with units: the tag of every tensor and the equations met so far."""

from collections import Counter
from dataclasses import replace
from typing import Any

import torch

from lossgauge.frameworks.torch.tracing.sites import running_line
from lossgauge.frameworks.torch.tracing.tags import LOST, NUMBER, Tag, literal
from lossgauge.units.equation import Equation, Site
from lossgauge.units.monomial import WEIGHT, Monomial
from lossgauge.units.unifier import Unifier

CONFLICTS_PER_SITE = 2
"""One line may contradict in every step; twice is enough to name it."""


class Tracer:
    """Tags by storage, equations by site.

    Several tensors may share one storage (views, `.data`), and an in-place operation on one changes the unit of all; so
    the tag belongs to the storage.
    """

    def __init__(self) -> None:
        """Start with empty books."""
        self.equations: list[Equation] = []
        self.step = -1
        self._tags: dict[int, Tag] = {}
        self._alive: dict[int, Any] = {}
        self._weights: set[int] = set()
        self._unifier = Unifier()
        self._lost: dict[str, None] = {}
        self._slices: dict[str, Monomial] = {}
        self._conflicts: Counter[str] = Counter()
        self._seen: set[Any] = set()

    @property
    def unknown(self) -> tuple[str, ...]:
        """What could not be followed, and slices that now hold another unit than the rest of their memory."""
        parted = [text for text, ratio in self._slices.items() if not self._unifier.reduce(ratio).trivial]
        return tuple(dict.fromkeys([*self._lost, *parted]))

    def tag_of(self, value: Any) -> Tag:
        """The tag of any operand.

        Args:
            value: A tensor, a number with or without a unit, or anything else.

        Returns:
            Its tag; numbers written in the code are dimensionless, tensors of unknown origin are lost.
        """
        if isinstance(value, torch.Tensor):
            return self._tag_of_tensor(value)
        tag = getattr(value, "tag", None)
        if isinstance(tag, Tag):
            return tag
        if isinstance(value, (int, float)):
            return NUMBER if isinstance(value, bool) else literal(value)
        return NUMBER

    def set_tag(self, tensor: torch.Tensor, tag: Tag) -> None:
        """Give a tensor, and all that share its memory, a tag.

        Args:
            tensor: The tensor.
            tag: Its tag.
        """
        for key, owner in _keys(tensor):
            self._tags[key] = tag
            self._alive[key] = owner

    def add_weight(self, tensor: torch.Tensor) -> None:
        """Declare a trained tensor: its unit is W whatever is done to it.

        Args:
            tensor: The parameter.
        """
        self.set_tag(tensor, Tag(Monomial(WEIGHT)))
        self._weights.update(key for key, _ in _keys(tensor))

    def is_weight(self, tensor: torch.Tensor) -> bool:
        """Whether a tensor shares memory with a trained one.

        Args:
            tensor: The tensor.

        Returns:
            True for parameters and their views.
        """
        return any(key in self._weights for key, _ in _keys(tensor))

    def assign(self, tensor: torch.Tensor, tag: Tag, operation: str) -> None:
        """Record that `tensor` was overwritten in place by a value with this tag.

        Args:
            tensor: The target.
            tag: What it now holds.
            operation: The name of the operation.
        """
        if self.is_weight(tensor):
            self.unify(Tag(Monomial(WEIGHT)), tag, operation)
            tag = Tag(Monomial(WEIGHT))
        elif _is_part(tensor):
            before = self.tag_of(tensor)
            if before.kind == tag.kind == "known" and before.unit != tag.unit:
                self._slices[f"{operation} on a slice at {self.site()}"] = tag.unit / before.unit
            elif tag.kind == "any":
                tag = before
        self.set_tag(tensor, tag)

    def has_unit(self, value: Any) -> bool:
        """Whether a value is known to be more than a number, so that its unit must not be overlooked.

        Args:
            value: A tensor or a quantity.

        Returns:
            True for a known unit that is not settled to be 1.
        """
        tag = self.tag_of(value)
        return tag.kind == "known" and not self._unifier.reduce(tag.unit).trivial

    def unify(
        self,
        left: Tag,
        right: Tag,
        operation: str,
        sizes: tuple[Any, Any] = (None, None),
        comparison: bool = False,
    ) -> Tag:
        """Ask two values for the same unit.

        Args:
            left: One side.
            right: The other side.
            operation: The name of the operation that needs it.
            sizes: The values themselves, for their magnitude.
            comparison: Whether they were only compared.

        Returns:
            The tag of the combined value: that of the side which is not a bare number.
        """
        if left.kind == "any" or right.kind == "any":
            return (right if left.kind == "any" else left).same_unit()
        if "lost" in (left.kind, right.kind):
            return left if right.kind == "lost" else right
        chosen = right if left.bare and not right.bare else left
        if left.unit != right.unit:
            outcome = self._unifier.add(left.unit / right.unit)
            if outcome != "implied":
                self._record(left, right, operation, sizes, comparison, outcome)
        return replace(
            chosen, unit=self._unifier.without_numbers(chosen.unit), value=None, bare=left.bare and right.bare
        )

    def compare(self, left: Any, right: Any, operation: str) -> None:
        """Record a comparison made while stepping; checks in constructors are no part of the law.

        Args:
            left: One operand.
            right: The other operand.
            operation: The name of the operation.
        """
        if self.step >= 0 and not _opposite(left, right):
            self.unify(self.tag_of(left), self.tag_of(right), operation, (left, right), comparison=True)

    def lose(self, what: str) -> Tag:
        """Note that a unit could not be followed.

        Args:
            what: The operation or value.

        Returns:
            The tag of such a value.
        """
        self._lost[f"{what} at {self.site()}"] = None
        return LOST

    def site(self) -> Site:
        """The line of the optimizer's own code that is running.

        Returns:
            The innermost frame outside torch's internals and outside lossgauge.
        """
        return running_line()

    def _tag_of_tensor(self, tensor: torch.Tensor) -> Tag:
        for key, _ in _keys(tensor):
            if key in self._tags:
                return self._tags[key]
        if not (tensor.dtype.is_floating_point or tensor.dtype.is_complex):
            return NUMBER
        return self.lose("a tensor made outside the traced code")

    def _record(
        self, left: Tag, right: Tag, operation: str, sizes: tuple[Any, Any], comparison: bool, outcome: str
    ) -> None:
        site = self.site()
        if outcome == "conflict":
            seen = (site, left.unit, right.unit, left.value, right.value)
            if seen in self._seen:
                return
            self._seen.add(seen)
            self._conflicts[str(site)] += 1
            if self._conflicts[str(site)] > CONFLICTS_PER_SITE:
                return
        numbers = [tag for tag in (left, right) if tag.bare]
        bare = next((tag for tag in numbers if tag.unit.trivial), numbers[0] if numbers else None)
        self.equations.append(
            Equation(
                left.unit,
                right.unit,
                site,
                operation,
                self.step,
                literal=bare.value if bare else None,
                literal_on_left=bare is left if bare else left.factor is not None,
                origin=bare.origin if bare else None,
                factor=left.factor or right.factor,
                size=_magnitude(sizes[1] if bare is left else sizes[0]) if bare else None,
                comparison=comparison,
            )
        )


def _keys(tensor: torch.Tensor) -> list[tuple[int, Any]]:
    """Keys of the memory behind a tensor, each with an object that keeps the key from being reused."""
    with torch._C.DisableTorchFunction():
        if tensor.layout is torch.strided:
            try:
                storage = tensor.untyped_storage()
                return [(storage._cdata, storage)]
            except RuntimeError:  # a strided tensor without memory of its own
                return [(id(tensor), tensor)]
        return [(id(tensor), tensor)]


def _is_part(tensor: torch.Tensor) -> bool:
    """Whether a tensor covers only a part of its memory."""
    with torch._C.DisableTorchFunction():
        if tensor.layout is not torch.strided:
            return False
        return tensor.numel() * tensor.element_size() < tensor.untyped_storage().nbytes()


def _opposite(left: Any, right: Any) -> bool:
    """Whether zero lies between: then no change of units can turn the comparison (a sentinel such as -1)."""
    spans = [_span(left), _span(right)]
    if None in spans:
        return False
    (low, high), (other_low, other_high) = (span for span in spans if span is not None)
    return (high < 0 <= other_low) or (other_high < 0 <= low) or (high <= 0 < other_low) or (other_high <= 0 < low)


def _span(value: Any) -> tuple[float, float] | None:
    with torch._C.DisableTorchFunction():
        if isinstance(value, torch.Tensor):
            if not value.numel() or value.is_sparse or value.is_complex():
                return None
            return float(value.detach().min()), float(value.detach().max())
        if isinstance(value, (int, float)):
            number = float.__add__(value, 0.0) if isinstance(value, float) else float(value)
            return number, number
    return None


def _magnitude(value: Any) -> float | None:
    with torch._C.DisableTorchFunction():
        if isinstance(value, torch.Tensor) and value.numel() and value.dtype.is_floating_point:
            dense = value.detach().to_dense() if value.is_sparse else value.detach()
            return float(dense.abs().double().median())
        return (
            float.__abs__(value) if isinstance(value, float) else abs(float(value)) if isinstance(value, int) else None
        )

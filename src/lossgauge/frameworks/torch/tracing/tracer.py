"""Keeping the books while an optimizer runs with units: the tag of every tensor and the equations met so far."""

import linecache
import os
import sys
from collections import Counter
from dataclasses import replace
from types import FrameType
from typing import Any

import torch

from lossgauge.frameworks.torch.tracing.tags import LOST, NUMBER, Tag, literal
from lossgauge.units.equation import Equation, Site
from lossgauge.units.monomial import WEIGHT, Monomial
from lossgauge.units.unifier import Unifier

_HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_VEHICLES = os.path.join(_HERE, "vehicles.py")
_TORCH = os.path.dirname(os.path.abspath(torch.__file__))
_READABLE = tuple(os.path.join(_TORCH, *part) for part in (("optim",), ("nn", "utils")))
_INNER = {os.path.join(_TORCH, "optim", "optimizer.py"), os.path.join(_TORCH, "optim", "_functional_wrappers.py")}

LONGEST_LINE = 160
"""Characters of source shown for one place."""
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
        self.unknown: dict[str, None] = {}
        self.step = -1
        self._tags: dict[int, Tag] = {}
        self._alive: dict[int, Any] = {}
        self._weights: set[int] = set()
        self._unifier = Unifier()
        self._conflicts: Counter[str] = Counter()
        self._seen: set[Any] = set()

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
        self.set_tag(tensor, tag)

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
        if self.step >= 0:
            self.unify(self.tag_of(left), self.tag_of(right), operation, (left, right), comparison=True)

    def lose(self, what: str) -> Tag:
        """Note that a unit could not be followed.

        Args:
            what: The operation or value.

        Returns:
            The tag of such a value.
        """
        self.unknown[f"{what} at {self.site()}"] = None
        return LOST

    def site(self) -> Site:
        """The line of the optimizer's own code that is running.

        Returns:
            The innermost frame outside torch's internals and outside lossgauge.
        """
        frame: FrameType | None = sys._getframe(1)
        while frame is not None and _foreign(frame.f_code.co_filename):
            frame = frame.f_back
        if frame is None:
            return Site("?", 0)
        first, last = _lines(frame)
        file = frame.f_code.co_filename
        code = " ".join(linecache.getline(file, line).strip() for line in range(first, last + 1))
        return Site(_shortened(file), first, _compact(code))

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
        bare = left if left.bare else right if right.bare else None
        self.equations.append(
            Equation(
                left.unit,
                right.unit,
                site,
                operation,
                self.step,
                literal=bare.value if bare else None,
                literal_on_left=bare is left,
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
            except (RuntimeError, NotImplementedError):
                return [(id(tensor), tensor)]
        return [(id(tensor), tensor)]


def _magnitude(value: Any) -> float | None:
    with torch._C.DisableTorchFunction():
        if isinstance(value, torch.Tensor) and value.numel() and value.dtype.is_floating_point:
            dense = value.detach().to_dense() if value.is_sparse else value.detach()
            return float(dense.abs().double().median())
        return (
            float.__abs__(value) if isinstance(value, float) else abs(float(value)) if isinstance(value, int) else None
        )


def _lines(frame: FrameType) -> tuple[int, int]:
    """First and last line of the expression that is running; calls may stand on several."""
    for place, (first, last, _, _) in enumerate(frame.f_code.co_positions()):
        if place == frame.f_lasti // 2 and first is not None and last is not None:
            return first, min(last, first + 8)
    return frame.f_lineno, frame.f_lineno


def _compact(code: str) -> str:
    text = code.replace("( ", "(").replace(" )", ")").replace(",)", ")")
    return text if len(text) <= LONGEST_LINE else text[: LONGEST_LINE - 1] + "…"


def _foreign(file: str) -> bool:
    if file.startswith(_HERE):
        return file != _VEHICLES
    if file.startswith("<"):
        return True
    if file.startswith(_TORCH):
        return file in _INNER or not file.startswith(_READABLE)
    return os.path.basename(os.path.dirname(file)).startswith("python3") or "/contextlib" in file


def _shortened(file: str) -> str:
    roots = sorted((os.path.abspath(p or ".") for p in sys.path), key=len, reverse=True)
    root = next((r for r in roots if file.startswith(r + os.sep)), None)
    return os.path.relpath(file, root) if root else file

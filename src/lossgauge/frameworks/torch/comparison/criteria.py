"""Losses as they are handed to `compare`, called so that whatever is wrong with one is said in a line."""

import copy
import difflib
import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from lossgauge.errors import InputError, ScriptError
from lossgauge.frameworks.torch.catalogue import load
from lossgauge.frameworks.torch.comparison.losses import BINARY, CLASSIFICATION, FORMULAS, IGNORED, Formula
from lossgauge.laws.spelling import spell_value


@dataclass(frozen=True)
class Criterion:
    """A loss function.

    Args:
        name: As it is shown.
        function: Output and target → a scalar tensor.
        kind: Of a loss with a name of its own: what it is for; empty for a function of the user's.
    """

    name: str
    function: Callable[..., Any]
    kind: str = ""

    def evaluate(self, output: Any, target: Any, place: str) -> Tensor:
        """The loss, checked to be a number that can be differentiated.

        Args:
            output: What the model returned.
            target: What stands beside the input.
            place: Which batch, for messages.

        Returns:
            A scalar tensor, in the loss's own units.

        Raises:
            InputError: When the shapes do not fit, or no differentiable number comes back.
            ScriptError: When the user's function fails.
        """
        before = _versions(output, target)
        value = self._call(output, target, place)
        if before != _versions(output, target):
            raise InputError(
                f"{self.name} changes the model's output or the target in place, expected a loss that leaves both as "
                "they are, so that the other loss can be given the same"
            )
        if not isinstance(value, Tensor):
            raise InputError(f"{self.name} returns {_kind_of(value)} on {place}, expected a tensor with one number")
        if value.numel() != 1:
            raise InputError(
                f"{self.name} returns a tensor of shape {tuple(value.shape)} on {place}, expected one number; end it "
                "with .mean() or .sum()"
            )
        if not value.requires_grad:
            raise InputError(
                f"{self.name} returns a number on {place} that has no gradient, expected one computed from the model's "
                "output without .item(), .detach() or no_grad"
            )
        return value.reshape(())

    def _call(self, output: Any, target: Any, place: str) -> Any:
        if self.kind:
            self._check(output, target, place)
        try:
            return self.function(output, target)
        except InputError:
            raise
        except Exception as error:
            if self.kind:
                raise InputError(f"{self.name} cannot take {_sides(output, target)} on {place}: {error}") from error
            raise ScriptError(f"{self.name} failed on {place} with {_sides(output, target)}") from error

    def _check(self, output: Any, target: Any, place: str) -> None:
        """The shapes a loss with a name of its own wants."""
        if not isinstance(output, Tensor) or not isinstance(target, Tensor):
            raise InputError(
                f"{self.name} got {_sides(output, target)} on {place}, expected two tensors; for a model with another "
                "output give a function of your own as module:name"
            )
        if self.kind != CLASSIFICATION:
            if output.shape != target.shape:
                raise InputError(
                    f"{self.name} got {_sides(output, target)} on {place}, expected the same shape for both; "
                    "use .reshape or .squeeze where only the order of the numbers matters"
                )
        elif output.ndim < 2 or target.is_floating_point() or target.shape != output.shape[:1] + output.shape[2:]:
            raise InputError(
                f"{self.name} got {_sides(output, target)} on {place}, expected logits (n, classes) and whole numbers "
                "(n,) that name the class"
            )
        else:
            classes = target[target != IGNORED]
            if classes.numel() and not 0 <= int(classes.min()) <= int(classes.max()) < output.shape[1]:
                raise InputError(
                    f"{self.name} got classes from {int(classes.min())} to {int(classes.max())} on {place}, expected 0 "
                    f"to {output.shape[1] - 1}, for the output has {output.shape[1]} classes"
                )


def find_criterion(loss: Any) -> Criterion:
    """The loss a person means.

    Args:
        loss: A function of output and target; a name such as `mse` or `focal:gamma=2`; or `module:name`.

    Returns:
        The criterion. A loss that is a module is copied, so that the user's own stays as it is.

    Raises:
        InputError: When there is no such loss or parameter, or it cannot be called.
    """
    if not isinstance(loss, str):
        return _own(loss, getattr(loss, "__name__", "") or _title(loss))
    name, _, rest = loss.partition(":")
    name = name.strip().lower().replace("_", "-")
    if name in FORMULAS:
        return _named(name, FORMULAS[name], rest)
    if not rest or "=" in rest:
        near = difflib.get_close_matches(name, list(FORMULAS), n=1, cutoff=0.5)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise InputError(f"no loss is called {name!r}{hint}; expected {', '.join(FORMULAS)}, or module:name")
    return _own(load(loss), loss)


def settle_kind(criteria: tuple[Criterion, Criterion]) -> str:
    """Which of the built-in problems suits both losses.

    Args:
        criteria: The two losses.

    Returns:
        `regression`, `classification` or `binary`.

    Raises:
        InputError: When nothing is known of the losses, or they want different outputs.
    """
    kinds = {criterion.kind for criterion in criteria if criterion.kind}
    if not kinds:
        names = " and ".join(criterion.name for criterion in criteria)
        raise InputError(
            f"nothing is known of what {names} take, so a model and batches are needed: --model module:name and "
            "--batches module:name"
        )
    if len(kinds) > 1 and CLASSIFICATION in kinds:
        says = " and ".join(f"{criterion.name} is for {criterion.kind}" for criterion in criteria)
        raise InputError(f"{says}, expected two losses for the same output of a model")
    return BINARY if BINARY in kinds else kinds.pop()


def _named(name: str, formula: Formula, text: str) -> Criterion:
    given = dict(formula.parameters) | _read_parameters(name, formula, text)
    shown = [f"{key}={_spell(value)}" for key, value in given.items() if value != ()]
    title = f"{name}:{','.join(shown)}" if shown else name
    return Criterion(title, functools.partial(formula.function, **given), formula.kind)


def _read_parameters(name: str, formula: Formula, text: str) -> dict[str, Any]:
    """`delta=0.5` or `weights=1,2,4`: a piece without a sign of equality continues the list before it."""
    found: dict[str, list[float]] = {}
    last = ""
    for piece in filter(None, (part.strip() for part in text.split(","))):
        key, equals, value = (part.strip() for part in piece.rpartition("="))
        last = key if equals else last
        if piece in formula.parameters:
            raise InputError(f"{piece} of {name} has no value, expected {name}:{piece}=…")
        if last not in formula.parameters:
            own = " or ".join(f"{known}=…" for known in formula.parameters) or "none"
            near = difflib.get_close_matches(last, list(formula.parameters), n=1, cutoff=0.5)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise InputError(f"{name} has no parameter {last or piece!r}{hint}; expected {own}")
        if equals and key in found:
            raise InputError(f"{name} got {key} twice, expected it once")
        found.setdefault(last, []).append(_read_number(name, last, value))
    return {key: _check_range(name, formula, key, values) for key, values in found.items()}


def _read_number(name: str, key: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise InputError(f"{key} of {name} is {text!r}, expected a number such as 0.5") from None
    if not math.isfinite(number):
        raise InputError(f"{key} of {name} is {text}, expected a finite number")
    return number


def _check_range(name: str, formula: Formula, key: str, values: list[float]) -> Any:
    several = isinstance(formula.parameters[key], tuple)
    fits, words = formula.ranges[key]
    value: Any = tuple(values) if several else values[0]
    if (len(values) > 1 and not several) or not fits(value):
        raise InputError(f"{key} of {name} is {_spell(values)}, expected {words}")
    return value


def _own(loss: Any, name: str) -> Criterion:
    if isinstance(loss, type) and issubclass(loss, nn.Module):
        try:
            loss = loss()
        except Exception as error:
            raise InputError(f"{name} cannot be made without arguments ({error}); give one that is made") from error
    if not callable(loss):
        raise InputError(
            f"{name} is {_kind_of(loss)}, expected a function of output and target, or a name: {', '.join(FORMULAS)}"
        )
    return Criterion(name, cast("Callable[..., Any]", copy.deepcopy(loss) if isinstance(loss, nn.Module) else loss))


def _title(loss: Any) -> str:
    inner = getattr(loss, "func", loss)
    return getattr(inner, "__name__", type(inner).__name__)


def _spell(value: Any) -> str:
    return ",".join(map(spell_value, value)) if isinstance(value, (tuple, list)) else spell_value(value)


def _versions(*values: Any) -> list[int]:
    """How often each tensor was changed in place; inference tensors are not counted by torch."""
    return [value._version for value in values if isinstance(value, Tensor) and not value.is_inference()]


def _kind_of(value: Any) -> str:
    return "nothing" if value is None else f"{type(value).__name__}"


def _sides(output: Any, target: Any) -> str:
    return f"output {_shape(output)} and target {_shape(target)}"


def _shape(value: Any) -> str:
    if not isinstance(value, Tensor):
        return _kind_of(value)
    kind = "" if value.is_floating_point() else f" of {str(value.dtype).removeprefix('torch.')}"
    return f"{tuple(value.shape)}{kind}"


def differentiable(value: Any) -> bool:
    """Whether a model's output has a gradient that can be taken apart sample by sample.

    Args:
        value: What the model returned.

    Returns:
        True for a tensor with samples in its first dimension.
    """
    return isinstance(value, Tensor) and value.requires_grad and value.ndim > 0 and torch.is_floating_point(value)

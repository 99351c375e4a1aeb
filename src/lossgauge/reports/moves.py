"""Where on the axis of loss multipliers a remedy takes a training: ε·f is to ε what the loss divided by f is."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from lossgauge.reports.numbers import LOG2_OF_TEN, read_number, spell_factor, spell_short

_LOSS, _FORMAT = "the loss", "the number format"
_LOSSES = ("loss", "loss_factor")
_SCALES = ("scaler", "init_scale")
_THRESHOLDS = ("threshold", "max_norm", "clip_value")
_SENSES = {"eps": "ε", "weight_decay": "L2", "lr": "the step"}


@dataclass(frozen=True)
class Move:
    """A change as a multiplied loss.

    Args:
        decades: log10 of the α that does the same.
        sense: In whose eyes it does the same: `the loss` itself, `ε`, `clipping`, `the step`, …
        title: The change in short, such as `eps / 1e5`.
    """

    decades: float
    sense: str
    title: str

    @property
    def text(self) -> str:
        """What it does, as a phrase such as `eps × 1e-5: for ε as the loss × 1e5`."""
        same = "" if self.sense == _LOSS else f": for {self.sense} as the loss × {spell_factor_of(self.decades)}"
        return self.title + same


def spell_factor_of(decades: float) -> str:
    """A factor given by its power of ten.

    Args:
        decades: log10 of the factor.

    Returns:
        Text such as `1e5`.
    """
    return spell_factor(decades * LOG2_OF_TEN)


def spell_change(name: str, factor: float) -> str:
    """A multiplied quantity in short.

    Args:
        name: What it is called.
        factor: Positive, dimensionless.

    Returns:
        Text such as `lr × 10` or `eps / 1e5`.
    """
    if not 0 < factor < math.inf:
        return f"{name} × {factor:g}"
    size = max(factor, 1 / factor)
    whole = size < 1e6 and abs(size - round(size)) < 1e-6 * size
    return f"{name} {'×' if factor >= 1 else '/'} {spell_short(size, 6 if whole else 3)}"


def read_move(
    change: Mapping[str, Any],
    exponents: Mapping[str, float] | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Move | None:
    """Where a change takes the training.

    Args:
        change: What `Treatment.summary` gives, or setting → [now, then].
        exponents: The law's exponent of each hyperparameter; without them an ε counts as outside the root (+1), a
            threshold as +1, and nothing else moves.
        settings: The values now, for a treatment that says the new value.

    Returns:
        The move; None where the change is no move on the axis of α.
    """
    kind = change.get("kind")
    if kind is None:
        moves = (_scaled(name, factor, exponents) for name, pair in change.items() if (factor := _ratio(name, pair)))
        return next((move for move in moves if move is not None), None)
    factor = _factor_of(change, settings or {})
    if factor is None or not 0 < factor < math.inf:
        return None
    name = str(change.get("name") or ("max_norm" if kind == "threshold" else kind))
    return _scaled(name, factor, exponents) if kind in ("setting", "threshold", *_LOSSES, *_SCALES) else None


def _ratio(name: str, pair: Any) -> float | None:
    """By what a setting is multiplied; a scale that was not there before was 1."""
    if not isinstance(pair, (list, tuple)) or len(cast("Sequence[Any]", pair)) != 2:
        return None
    now, then = (read_number(entry) for entry in cast("Sequence[Any]", pair))
    now = 1.0 if now is None and name in _SCALES else now
    return then / now if now and then and now > 0 and 0 < then / now < math.inf else None


def _factor_of(change: Mapping[str, Any], settings: Mapping[str, Any]) -> float | None:
    factor = read_number(change.get("factor"))
    value, own = read_number(change.get("value")), read_number(settings.get(str(change.get("name", ""))))
    return factor if factor is not None else value / own if value and own else None


def _exponent(name: str, exponents: Mapping[str, float] | None) -> float:
    if exponents and name in exponents:
        return float(exponents[name])
    return 1.0 if name in ("eps", "epsilon", *_THRESHOLDS) else 0.0


def _scaled(name: str, factor: float, exponents: Mapping[str, float] | None) -> Move | None:
    """h·f is, to h, the loss multiplied by f^(−1/k); the loss itself and the scale of a format are α."""
    decades = math.log10(factor)
    if name in _LOSSES:
        return Move(decades, _LOSS, spell_change("loss", factor))
    if name in _SCALES:
        return Move(decades, _FORMAT, spell_change("scale", factor))
    exponent = _exponent(name, exponents)
    sense = "clipping" if name in _THRESHOLDS else _SENSES.get(name.replace("epsilon", "eps"), name)
    return Move(-decades / exponent, sense, spell_change(name, factor)) if exponent else None

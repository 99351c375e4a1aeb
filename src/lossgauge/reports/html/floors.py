"""The sizes at which ε and the number formats set in, as lines across the pictures of sizes."""

import math
from dataclasses import dataclass

from lossgauge.laws.spelling import spell_value
from lossgauge.records.session import Optimizer, Sample, Session, TensorSample

EPSILONS = ("eps", "epsilon", "eps[0]")
SMALLEST = {"float16": -24, "bfloat16": -133, "float32": -149, "float64": -1074}
"""Exponents of the smallest positive number of each format, subnormal ones included."""
LARGEST = {"float16": 16, "bfloat16": 128, "float32": 128, "float64": 1024}
"""Exponents just above the largest number of each format."""
DIGITS = {"float16": 11, "bfloat16": 8, "float32": 24, "float64": 53}
"""Binary digits of each format, the hidden one included."""
LOG10_OF_TWO = math.log10(2.0)


@dataclass(frozen=True)
class Floor:
    """A size that matters.

    Args:
        decades: Its log10, in the unit of the picture.
        text: What happens there.
    """

    decades: float
    text: str


def find_floors(session: Session, kind: str, tensor: int | None) -> list[Floor]:
    """The lines of one picture.

    Args:
        session: The session.
        kind: `gradient`, `denominator` or `update`.
        tensor: The tensor's number; None for all together.

    Returns:
        The floors that are known.
    """
    record = session.tensors[tensor] if tensor is not None else None
    number = record.optimizer if record else 0
    optimizer = session.optimizers[number] if number < len(session.optimizers) else None
    form = record.format if record else _common_format(session)
    if kind == "gradient":
        return _gradient_floors(session, form)
    if kind == "denominator":
        return _denominator_floors(optimizer, record.group if record else 0, form)
    return _update_floors(session, tensor, form) if tensor is not None else []


def _common_format(session: Session) -> str:
    formats = {tensor.format for tensor in session.tensors}
    return formats.pop() if len(formats) == 1 else ""


def _gradient_floors(session: Session, form: str) -> list[Floor]:
    floors = _format_floors(form, 1.0, ("smallest number in", "largest number in"))
    read = next((reading for reading in reversed(session.readings) if "float16" in reading.formats), None)
    if read is not None and form != "float16":
        place = (SMALLEST["float16"] - math.log2(read.scale)) * LOG10_OF_TWO
        scaled = f" ÷ scale {read.scale:g}" if read.scale != 1 else ""
        floors.append(Floor(place, f"smallest float16 number{scaled}: below, gradients vanish on their way"))
    return floors


def _format_floors(form: str, power: float, words: tuple[str, str]) -> list[Floor]:
    """Where the smallest and the largest number of a format lie, raised to a power."""
    places = ((SMALLEST, words[0]), (LARGEST, words[1])) if form in SMALLEST else ()
    return [Floor(exponents[form] * power * LOG10_OF_TWO, f"{text} {form}") for exponents, text in places]


def _denominator_floors(optimizer: Optimizer | None, group: int, form: str) -> list[Floor]:
    if optimizer is None:
        return []
    floors: list[Floor] = []
    settings = optimizer.settings[min(group, len(optimizer.settings) - 1)] if optimizer.settings else {}
    name = next((name for name in EPSILONS if settings.get(name)), None)
    if name is not None:
        inside = optimizer.law is not None and optimizer.law.exponents.get(name) == 2
        place = math.log10(settings[name]) * (0.5 if inside else 1.0)
        symbol = "√ε" if inside else "ε"
        floors.append(Floor(place, f"{symbol} ({name} = {spell_value(settings[name])}): below, it decides the step"))
    state = next((f for f in optimizer.state_formats.values() if f in SMALLEST), form)
    return floors + _format_floors(state, 0.5, ("g² underflows in", "g² overflows in"))


def _update_floors(session: Session, tensor: int, form: str) -> list[Floor]:
    """Half an ulp of a weight of typical size: a smaller change is rounded away."""
    weights = _last_weights(session.samples, tensor)
    elements = session.tensors[tensor].elements
    if weights is None or not weights.weight_norm or form not in DIGITS or not elements:
        return []
    typical = weights.weight_norm / math.sqrt(elements)
    exponent = math.frexp(typical)[1] - DIGITS[form] - 1
    return [Floor(exponent * LOG10_OF_TWO, f"half an ulp of a typical weight in {form}: below, updates are lost")]


def _last_weights(samples: list[Sample], tensor: int) -> TensorSample | None:
    return next((t for sample in reversed(samples) for t in sample.tensors if t.tensor == tensor), None)

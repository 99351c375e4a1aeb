"""Are the units of a call right? The call itself is asked, with its operands in other units.

Every operand has a unit of its own. The traced call says what the result's unit is and which units must be equal. Then
the same call runs on plain float64 numbers, with the operands multiplied by powers of two that keep those equalities:
the result must be multiplied by just the power its unit says. And under powers that break one of the equalities it must
not, or the equality was not needed.
"""

import contextlib
import random
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any
from unittest import mock

import numpy as np
import torch
import torch.nn.functional

from lossgauge.frameworks.torch.tracing import mode
from lossgauge.frameworks.torch.tracing.mode import UnitMode
from lossgauge.frameworks.torch.tracing.operations import RULES, Rule
from lossgauge.frameworks.torch.tracing.quantity import Quantity
from lossgauge.frameworks.torch.tracing.tags import Tag
from lossgauge.frameworks.torch.tracing.tracer import Tracer
from lossgauge.units.linear import Row, combine, null_space
from lossgauge.units.monomial import Monomial

OCTAVES = 12
"""Units differ by powers of 2^12, so that square, cube and fourth roots of them are powers of two as well."""
_WORD = re.compile(r"(?<![\w.\"'])[a-zA-Z]\w*(?!\w*=[^=])")


def operands() -> dict[str, Any]:
    """Fresh operands in their own units, by letter; `i` and `M` are indices and a mask, without one."""
    drawn = torch.Generator().manual_seed(5)
    found: dict[str, Any] = {}
    for letter in "abcd":
        found[letter] = torch.randn(6, generator=drawn, dtype=torch.float64)
    for letter in "pqr":
        found[letter] = 0.1 + torch.rand(6, generator=drawn, dtype=torch.float64)
    for letter in "ABC":
        found[letter] = torch.randn(3, 3, generator=drawn, dtype=torch.float64)
    for letter in "ST":
        half = torch.randn(3, 3, generator=drawn, dtype=torch.float64)
        found[letter] = half @ half.T + torch.eye(3, dtype=torch.float64)
    for letter in "uvw":
        found[letter] = torch.randn(3, generator=drawn, dtype=torch.float64)
    for letter in "XY":
        found[letter] = torch.randn(2, 3, 3, generator=drawn, dtype=torch.float64)
    found |= {"h": 0.75, "k": 1.75, "x": torch.tensor(0.6, dtype=torch.float64)}
    found |= {"i": torch.tensor([3, 0, 5]), "M": torch.tensor([True, False, True, True, False, True])}
    return found


def carriers(code: str) -> list[str]:
    """The operands with units that a call names."""
    given = operands()
    return sorted(name for name in set(_WORD.findall(code)) & set(given) if name not in "iM")


def run(code: str, given: Mapping[str, Any]) -> list[Any]:
    """Run statements separated by `; ` and return the numbers in the value of the last one."""
    space = {"torch": torch, "F": torch.nn.functional, "linalg": torch.linalg, "Tensor": torch.Tensor, **given}
    space |= {"np": np}
    *before, last = code.split("; ")
    torch.manual_seed(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for statement in before:
            exec(statement, space)
        return list(leaves(eval(last, space)))


def leaves(value: Any) -> Iterator[Any]:
    """The tensors and numbers in a value."""
    if isinstance(value, (list, tuple)):
        for item in value:
            yield from leaves(item)
    elif isinstance(value, (torch.Tensor, int, float)):
        yield value


@dataclass(frozen=True)
class Seen:
    """What a traced call left behind: the tag of each result, the equalities asked for, what was lost, rules used."""

    tags: list[Tag]
    rows: list[Row]
    unknown: list[str]
    rules: set[str]


class Listening(dict[str, Rule]):
    """The table of rules, remembering which were looked up."""

    def __init__(self, rules: Mapping[str, Rule]) -> None:
        super().__init__(rules)
        self.asked: set[str] = set()

    def get(self, key: str, default: Any = None) -> Any:
        self.asked.add(key)
        return super().get(key, default)


def trace(code: str) -> Seen:
    """Run a call with its units."""
    tracer, given, rules = Tracer(), operands(), Listening(RULES)
    tracer.step = 0
    for name in carriers(code):
        if isinstance(given[name], float):
            given[name] = Quantity(given[name], Tag(Monomial.of(name)), tracer)
        else:
            tracer.set_tag(given[name], Tag(Monomial.of(name)))
    with mock.patch.object(mode, "RULES", rules), UnitMode(tracer):
        results = run(code, given)
    tags = [tracer.tag_of(result) for result in results]
    return Seen(tags, [e.difference.powers for e in tracer.equations], list(tracer.unknown), rules.asked & RULES.keys())


def disagreement(code: str, rounds: float = 0.0) -> str | None:
    """What the traced call says wrongly, or None.

    Args:
        code: The call.
        rounds: The relative rounding allowed; 0 compares bits.
    """
    seen, names = trace(code), carriers(code)
    if seen.unknown or any(tag.kind == "lost" for tag in seen.tags):
        return f"not followed: {', '.join(seen.unknown)}"
    before = [dense(value) for value in run(code, operands())]
    if not before:
        return "no number comes out"
    for system in systems(null_space(seen.rows, names)):
        for place, (old, tag, new) in enumerate(zip(before, seen.tags, in_units(code, system), strict=True)):
            if not agrees(old, tag, new, system, rounds):
                return f"result {place} is not in {tag.unit if tag.kind == 'known' else tag.kind} under {system}"
    for dropped in range(len(seen.rows)):
        if needless(code, seen, before, dropped, rounds):
            return f"equation {dict(seen.rows[dropped])} is not needed"
    return None


def needless(code: str, seen: Seen, before: list[torch.Tensor], dropped: int, rounds: float) -> bool:
    """Whether the results are in their units even where one equality is broken."""
    rest = [row for place, row in enumerate(seen.rows) if place != dropped]
    for system in systems(null_space(rest, carriers(code)), signs=(1, -1)):
        broken = sum(power * system.get(name, OCTAVES) for name, power in seen.rows[dropped].items())
        after = in_units(code, system)
        right = (agrees(o, t, n, system, rounds) for o, t, n in zip(before, seen.tags, after, strict=True))
        if broken and not all(right):
            return False
    return True


def systems(basis: Sequence[Mapping[str, Fraction]], signs: tuple[int, ...] = ()) -> list[dict[str, int]]:
    """Powers of two for each operand that lie in a space: two at random, and each axis in the given directions."""
    drawn = random.Random(3)
    weights = [[drawn.choice((-2, -1, 1, 2)) for _ in basis] for _ in range(2)]
    weights += [[sign * (place == axis) for place in range(len(basis))] for axis in range(len(basis)) for sign in signs]
    vectors = (combine({}, [dict(v) for v in basis], [Fraction(w) for w in chosen]) for chosen in weights)
    return [{name: int(power * OCTAVES) for name, power in vector.items()} for vector in vectors]


def in_units(code: str, system: Mapping[str, int]) -> list[torch.Tensor]:
    """The results with every operand multiplied by its power of two."""
    given = {name: value * 2.0 ** system[name] if name in system else value for name, value in operands().items()}
    return [dense(value) for value in run(code, given)]


def dense(value: Any) -> torch.Tensor:
    """Any number as a dense tensor, complex numbers as pairs."""
    tensor = torch.as_tensor(value).detach().to_dense()
    return (torch.view_as_real(tensor) if tensor.is_complex() else tensor).double()


def agrees(old: torch.Tensor, tag: Tag, new: torch.Tensor, system: Mapping[str, int], rounds: float) -> bool:
    """Whether a result went from `old` to `new` as its tag says; what fits every unit must be zero or infinite."""
    if tag.kind == "any":
        return bool(((old == 0) | old.isinf()).all()) and bool(((new == 0) | new.isinf()).all())
    # A symbol that is no operand's comes from a wrong rule: it has a size all the same.
    power = sum(k * system.get(name, OCTAVES) for name, k in tag.unit.powers.items())
    return old.shape == new.shape and torch.allclose(old * 2.0 ** float(power), new, rounds, 0.0, equal_nan=True)


@contextlib.contextmanager
def planted(name: str, rule: Rule) -> Iterator[None]:
    """Put a wrong rule in the place of the right one."""
    with mock.patch.dict(RULES, {name: rule}):
        yield

"""A law: the exact exponent of every hyperparameter and state of one optimizer in units of the loss.

If every hyperparameter h becomes α^(k_h)·h when the loss L becomes αL, the parameter trajectory is the same.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any, cast

from lossgauge.laws.verdict import Verdict
from lossgauge.units.dimension import Dimension


@dataclass(frozen=True)
class HiddenConstant:
    """A number in the code with loss units that nobody can set.

    Args:
        value: The number as written in the code, in `unit`.
        where: `file:line` where it is written.
        code: The source line.
        unit: The unit the surrounding code gives it, as text.
        meets: `file:line` where it meets a quantity with that unit, if that is another line.
    """

    value: float
    where: str
    code: str = ""
    unit: str = ""
    meets: str = ""


@dataclass(frozen=True)
class Clash:
    """A line at which two units meet that cannot be equal.

    Args:
        where: `file:line` at which the contradiction became visible.
        code: The source line.
        left: The unit on one side once everything else is settled, as text.
        right: The unit on the other side.
        hyperparameters: Those whose exponent the contradiction leaves without a value.
        others: `(where, code, left, right)` of the lines it contradicts.
    """

    where: str
    code: str
    left: str
    right: str
    hyperparameters: tuple[str, ...] = ()
    others: tuple[tuple[str, str, str, str], ...] = ()

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> "Clash":
        """Read what `Law.to_dict` writes.

        Args:
            plain: The dictionary.

        Returns:
            The clash.
        """
        others = [(str(w), str(c), str(left), str(right)) for w, c, left, right in plain["others"]]
        names = [str(name) for name in plain["hyperparameters"]]
        return cls(plain["where"], plain["code"], plain["left"], plain["right"], tuple(names), tuple(others))

    def sentence(self) -> str:
        """What clashes with what, in words.

        Returns:
            One sentence without a full stop.
        """
        mine = f"{self.where} needs {self.left} = {self.right}"
        theirs = " and ".join(f"{where} needs {left} = {right}" for where, _, left, right in self.others[:2])
        return f"{mine}, but {theirs}" if theirs else mine


@dataclass(frozen=True)
class Law:
    """What α does to one optimizer (or clip function, or schedule) in one structure.

    Args:
        target: Its name, `module:Class`.
        verdict: EXACT, CLOSE, BROKEN or UNDECIDED.
        exponents: k_h, the power of the loss in each hyperparameter; those without a value are absent.
        states: The power of the loss in each state tensor, by state name.
        dimensions: The full dimension L^a·W^b where it was derived.
        defaults: The default value of each setting.
        inert: Hyperparameters without influence on the weights.
        hidden_constants: Constants in the code that break the law.
        clashes: Contradictions in the code that break the law.
        follows: For a schedule: quantities that carry the exponent of another one (`min_lr` of `lr`).
    """

    target: str
    verdict: Verdict
    exponents: Mapping[str, Fraction]
    states: Mapping[str, Fraction] = field(default_factory=dict[str, Fraction])
    dimensions: Mapping[str, Dimension] = field(default_factory=dict[str, Dimension])
    defaults: Mapping[str, Any] = field(default_factory=dict[str, Any])
    inert: tuple[str, ...] = ()
    hidden_constants: tuple[HiddenConstant, ...] = ()
    clashes: tuple[Clash, ...] = ()
    follows: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def title(self) -> str:
        """The short name: what stands after the colon of `target`."""
        return self.target.rpartition(":")[2] or self.target

    @property
    def lawful(self) -> bool:
        """Whether co-scaling gives the same training, to bits or to rounding."""
        return self.verdict in (Verdict.EXACT, Verdict.CLOSE)

    @property
    def carriers(self) -> dict[str, Fraction]:
        """The hyperparameters that carry loss units: those with an exponent other than 0."""
        return {name: power for name, power in self.exponents.items() if power}

    def reason(self) -> str:
        """Why no exponents exist, in one line; empty for a lawful optimizer.

        Returns:
            One sentence naming the hidden constant or the line of the contradiction.
        """
        if self.lawful:
            return ""
        parts = [f"the constant {c.value:g} at {c.where} has units {c.unit}" for c in self.hidden_constants]
        parts += [c.sentence() for c in self.clashes]
        return "; ".join(parts[:3]) + (f" (and {len(parts) - 3} more)" if len(parts) > 3 else "")

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as written to `table.json`.

        Returns:
            A JSON-ready dictionary; exponents as text such as `"-1"` or `"1/2"`.
        """
        plain: dict[str, Any] = {
            "target": self.target,
            "verdict": str(self.verdict),
            "exponents": texts(self.exponents),
            "states": texts(self.states),
            "dimensions": texts(self.dimensions),
            "defaults": {name: plain_value(value) for name, value in self.defaults.items()},
            "inert": list(self.inert),
            "hidden_constants": [vars(c) for c in self.hidden_constants],
            "clashes": [{**vars(c), "hyperparameters": list(c.hyperparameters), "others": [list(o) for o in c.others]}
                        for c in self.clashes],
        }  # fmt: skip
        if self.follows:
            plain["follows"] = dict(self.follows)
        return plain

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> "Law":
        """Read what `to_dict` writes.

        Args:
            plain: The dictionary.

        Returns:
            The law.
        """
        return cls(
            target=plain["target"],
            verdict=Verdict(plain["verdict"]),
            exponents={name: Fraction(text) for name, text in plain["exponents"].items()},
            states={name: Fraction(text) for name, text in plain.get("states", {}).items()},
            dimensions={name: Dimension.parse(text) for name, text in plain.get("dimensions", {}).items()},
            defaults=dict(plain.get("defaults", {})),
            inert=tuple(plain.get("inert", ())),
            hidden_constants=tuple(HiddenConstant(**c) for c in plain.get("hidden_constants", ())),
            clashes=tuple(Clash.from_dict(c) for c in plain.get("clashes", ())),
            follows=dict(plain.get("follows", {})),
        )

    def with_target(self, target: str) -> "Law":
        """The same law under another name.

        Args:
            target: The new name.

        Returns:
            A copy.
        """
        return replace(self, target=target)


def texts(values: Mapping[str, object]) -> dict[str, str]:
    """The values as text, in order of their names.

    Args:
        values: Exponents or dimensions.

    Returns:
        The same mapping with `str` applied to each value.
    """
    return {name: str(value) for name, value in sorted(values.items())}


def plain_value(value: Any) -> Any:
    """A setting as JSON can hold it.

    Args:
        value: Any value of a setting.

    Returns:
        Numbers, texts, flags and None as they are, sequences as lists, anything else as its `repr`.
    """
    if isinstance(value, (list, tuple)):
        return [plain_value(item) for item in cast("Sequence[Any]", value)]
    return value if value is None or isinstance(value, (bool, int, float, str)) else repr(value)

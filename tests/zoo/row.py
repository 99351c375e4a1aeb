"""One row of the zoo: an optimizer, settings at which each of them matters, and the law derived by hand."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class ZooRow:
    """The law of `target` at the settings `set`.

    exponents: powers of the loss as fractions; keys are settings, tuple entries as `betas[0]`. Counts, seeds and
        settings in `inert` are left out. For a hidden constant: the exponents that would hold if the constant moved
        with `hidden_exponent`. Empty where one setting is asked for two units.
    verdict: EXACT, CLOSE_OR_EXACT (pow, eigh, svd need not be exact under powers of two) or BROKEN.
    states: entries of `optimizer.state[p]` and their exponents; counters and scratch are left out.
    inert: settings without influence at these values.
    stepwise: settings that act through comparisons or counts only: they matter, but their derivative is zero.
    rough: rounding inside the rule lets the law hold at powers of two only; derivatives mean nothing.
    hidden: the constant nobody can set; None where there is none or it is no plain number.
    hidden_line_contains: text that occurs in one line of the optimizer's file, the line to be named.
    conflict_lines: the lines that ask one setting for two units.
    freedom: directions along which the exponents can move while the law still holds (empty: the law is unique).
    bits: the α = 2^±b at which every co-scaled setting is an exact power of two away.
    gradient_scale: factor on the base problem, where a constant matters only near its own size.
    zero_bias: the second parameter tensor starts at zero, where guards on norms take their other branch.
    closure: step must be given a closure that returns the loss.
    group_names: the names of the settings in `param_groups` where they differ from the arguments.
    """

    target: str
    set: dict[str, Any]
    exponents: dict[str, str]
    verdict: str = "EXACT"
    states: dict[str, str] = field(default_factory=dict)
    inert: tuple[str, ...] = ()
    stepwise: tuple[str, ...] = ()
    rough: bool = False
    hidden: float | None = None
    hidden_exponent: str | None = None
    hidden_line_contains: str | None = None
    conflict_lines: tuple[str, ...] = ()
    freedom: tuple[dict[str, str], ...] = ()
    bits: tuple[int, ...] = (4, 12)
    gradient_scale: float = 1.0
    zero_bias: bool = False
    closure: bool = False
    kind: str = "class"
    group_names: dict[str, str] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True)
class BadRow:
    """An input that has no law to find, and why: motionless, needs-argument, unrepeatable, global-noise, raises."""

    target: str
    reason: str
    note: str

"""Derive a law from the equations an optimizer's own code imposes on units.

Every hyperparameter h has an unknown dimension; each `+`, `max`, `clamp`, `lerp`, comparison asks for two units to be
equal. The equations are linear in the exponents and solved exactly. A contradiction is cut down to the lines that
cause it; a bare number that meets a quantity with units is a hidden constant.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from lossgauge.frameworks.subject import Trace
from lossgauge.laws.law import Clash, HiddenConstant
from lossgauge.units.dimension import Dimension
from lossgauge.units.equation import Equation, Site
from lossgauge.units.linear import smallest_conflict, solve
from lossgauge.units.monomial import Monomial


@dataclass(frozen=True)
class _Conflict:
    clash: Clash | None = None
    constant: HiddenConstant | None = None
    active_at: float | None = None


@dataclass(frozen=True)
class Derivation:
    """What the code itself says.

    Args:
        exponents: The power of the loss in each hyperparameter that the consistent equations settle.
        dimensions: L^a·W^b where both axes are settled.
        states: The power of the loss in each state slot.
        clashes: Contradictions on the loss axis.
        hidden_constants: Bare numbers with loss units.
        unknown: Operations whose units could not be followed.
        weight_clashes: Lines that contradict each other on the weight axis only; they do not break the law.
        free: Hyperparameters that met no equation.
        active_at: Factors on the gradients at which a hidden constant starts to matter, where they can be computed.
    """

    exponents: dict[str, Fraction]
    dimensions: dict[str, Dimension]
    states: dict[str, Fraction]
    clashes: tuple[Clash, ...]
    hidden_constants: tuple[HiddenConstant, ...]
    unknown: tuple[str, ...]
    weight_clashes: tuple[str, ...]
    free: tuple[str, ...]
    active_at: tuple[float, ...]

    @property
    def derived(self) -> bool:
        """Whether every operation was followed, so that nothing can have been missed."""
        return not self.unknown

    @property
    def consistent(self) -> bool:
        """Whether the equations on the loss axis have a solution."""
        return not self.clashes and not self.hidden_constants


def infer(trace: Trace, hyperparameters: Sequence[str]) -> Derivation:
    """Solve the equations of a trace.

    Args:
        trace: What the unit-carrying run collected.
        hyperparameters: The names of all unknowns.

    Returns:
        The exponents and the contradictions.
    """
    unknowns, equations = sorted(hyperparameters), trace.equations
    loss, weight = (_axis(equations, axis) for axis in ("loss", "weight"))
    kept, cores = _consistent_part(equations, loss, unknowns)
    kept_weight, weight_cores = _consistent_part(equations, weight, unknowns)
    exponents = _settled(equations, kept, loss, unknowns)
    for core in cores:
        if _blamed(equations, core) is None:  # whatever takes part in a contradiction has no exponent
            exponents = {
                n: k for n, k in exponents.items() if all(n not in equations[i].difference.powers for i in core)
            }
    weights = _settled(equations, kept_weight, weight, unknowns)
    known = {n: Dimension(k, weights.get(n, Fraction(0))) for n, k in exponents.items()}
    conflicts = [_describe(equations, core, known) for core in cores]
    units = {slot: unit.evaluate(known) for slot, unit in trace.states.items()}
    touched = {n for e in equations for n in e.difference.powers}
    return Derivation(
        exponents=exponents,
        dimensions={n: d for n, d in known.items() if n in weights},
        states={slot: unit.loss for slot, unit in units.items() if unit is not None},
        clashes=tuple(dict.fromkeys(c.clash for c in conflicts if c.clash)),
        hidden_constants=tuple(
            {(c.constant.value, c.constant.where): c.constant for c in reversed(conflicts) if c.constant}.values()
        )[::-1],
        unknown=trace.unknown,
        weight_clashes=tuple(dict.fromkeys(str(equations[core[-1]].site) for core in weight_cores)),
        free=tuple(n for n in unknowns if n not in touched),
        active_at=tuple(c.active_at for c in conflicts if c.active_at),
    )


def _distinct(constants: list[HiddenConstant]) -> tuple[HiddenConstant, ...]:
    """One entry per number and line: the first unit it met."""
    return tuple({(c.value, c.where): c for c in reversed(constants)}.values())[::-1]


def _axis(equations: Sequence[Equation], axis: str) -> list[Fraction]:
    return [-getattr(e.difference.dimension, axis) for e in equations]


def _consistent_part(
    equations: Sequence[Equation], right: list[Fraction], unknowns: list[str]
) -> tuple[list[int], list[list[int]]]:
    """Take out smallest contradictory subsets until the rest has a solution: indices of the rest, and the subsets."""
    # Where a bare number is to blame only its own equation goes; the others stand.
    rows = [e.difference.powers for e in equations]
    kept, cores = list(range(len(equations))), []
    while core := smallest_conflict([rows[i] for i in kept], [right[i] for i in kept], unknowns):
        cores.append([kept[i] for i in core])
        blamed = _blamed(equations, cores[-1])
        kept = [i for i in kept if i not in ([blamed] if blamed is not None else cores[-1])]
    return kept, cores


def _blamed(equations: Sequence[Equation], core: list[int]) -> int | None:
    return next((i for i in reversed(core) if _constant(equations[i], len(core)) is not None), None)


def _settled(
    equations: Sequence[Equation], kept: list[int], right: list[Fraction], unknowns: list[str]
) -> dict[str, Fraction]:
    rows = [equations[i].difference.powers for i in kept]
    solution = solve(rows, [right[i] for i in kept], unknowns)
    assert solution is not None, "a system without contradictory subset has a solution"
    return solution.determined


def _describe(equations: Sequence[Equation], core: list[int], known: Mapping[str, Dimension]) -> _Conflict:
    last = equations[core[-1]]
    blamed = _blamed(equations, core)
    if blamed is None:
        free = sorted({n for i in core for n in equations[i].difference.powers} - set(known))
        where, code, left, right = _line(last, known)
        others = tuple(_line(equations[i], known) for i in core[:-1])
        return _Conflict(clash=Clash(where, code, left, right, tuple(free), others))
    equation = equations[blamed]
    constant = _constant(equation, len(core))
    assert constant is not None
    value, origin = constant
    needed = equation.right if equation.literal_on_left else equation.left
    if equation.literal is None:  # a factor: what it would have to carry for its side to match the other
        needed = needed / (equation.left if equation.literal_on_left else equation.right)
    found = needed.evaluate(known)
    site = origin or equation.site
    meets = "" if site == equation.site else str(equation.site)
    return _Conflict(
        constant=HiddenConstant(value, str(site), site.code, str(found or needed), meets),
        active_at=_activation(equation, found),
    )


def _constant(equation: Equation, size: int) -> tuple[float, Site | None] | None:
    """The bare number to blame for a contradiction of `size` equations, and where it was written."""
    # The 1 of `1 - x` only says that x is a number. A factor is to blame where no hyperparameter takes part, or where
    # it is a constant tensor.
    structural = equation.literal in (1, -1) and equation.operation in ("add", "subtract", "sub", "rsub", "radd")
    if equation.literal is not None and (size == 1 or not structural):
        return equation.literal, equation.origin
    if equation.factor is not None and equation.literal is None and (size == 1 or equation.factor[1] is not None):
        return equation.factor
    return None


def _activation(constant: Equation, dimension: Dimension | None) -> float | None:
    """The factor on all gradients that brings the other side down (or up) to the constant."""
    if not constant.size or not constant.literal or dimension is None or dimension.loss == 0:
        return None
    factor = abs(constant.literal / constant.size) ** (1 / float(dimension.loss))
    return factor if 1e-60 < factor < 1e60 else None


def _line(equation: Equation, known: Mapping[str, Dimension]) -> tuple[str, str, str, str]:
    """Where, the code, and what it demands: `[h] = unit` where a single unknown takes part, else side = side."""
    rest = {n: power for n, power in equation.difference.powers.items() if n not in known}
    left, right = (str(side.evaluate(known) or side) for side in (equation.left, equation.right))
    if len(rest) == 1:
        ((name, power),) = rest.items()
        others = Monomial(
            equation.difference.dimension, {n: p for n, p in equation.difference.powers.items() if n in known}
        )
        unit = others.evaluate(known)
        if unit is not None:
            left, right = f"[{name}]", str(unit ** (Fraction(-1) / power))
    return str(equation.site), equation.site.code, left, right

"""Check every row of the zoo by running it: python -m tests.zoo.verify [part of a name]."""

import importlib
import inspect
import itertools
import math
import sys
import textwrap
from dataclasses import replace
from fractions import Fraction

import torch

from tests.zoo.catalogue import ZOO
from tests.zoo.problem import STEPS, NoisyQuadratic

CLOSE = 1e-12
GRID = [Fraction(k) for k in ("0", "-1", "1", "-1/2", "1/2", "-2", "2")]
WITHOUT_UNIT = ("beta", "momentum", "rho")


def load(target):
    """The class or function named by module:name."""
    module, name = target.split(":")
    return getattr(importlib.import_module(module), name)


def move(settings, powers, bits):
    """The settings with every named one multiplied by 2^(power·bits); `betas[0]` names an entry of a tuple."""
    moved = dict(settings)
    for path, power in powers.items():
        if power == 0:
            continue
        factor = 2.0 ** float(power * bits)
        name, _, index = path.rstrip("]").partition("[")
        if index:
            entries = list(moved[name])
            entries[int(index)] *= factor
            moved[name] = tuple(entries)
        else:
            moved[name] = moved[name] * factor
    return moved


def defaults(build, settings):
    """The settings given, completed by the defaults of the constructor."""
    known = {k: v.default for k, v in inspect.signature(build).parameters.items() if v.default is not v.empty}
    return {**known, **settings}


def run(row, powers, bits, reference=None, tolerance=None, build=None):
    """Weights after each step, and the optimizer; stops at the first step beyond `tolerance` of the reference."""
    problem = NoisyQuadratic(2.0**bits, row.gradient_scale, row.zero_bias)
    build = build or load(row.target)
    optimizer = build(problem.params, **move(defaults(build, row.set), powers, bits))
    path = []
    for index in range(STEPS):
        if row.closure:
            optimizer.step(lambda index=index: problem.evaluate(index))
        else:
            problem.evaluate(index)
            optimizer.step()
        path.append(problem.weights())
        if reference is not None and distance(path, reference[: index + 1]) > tolerance:
            break
    return path, optimizer, problem


def distance(path, reference):
    """The largest difference relative to the largest weight; infinite where anything is not finite."""
    one, two = torch.stack(path), torch.stack(reference)
    if not torch.isfinite(one).all():
        return float("inf")
    return float((one - two).abs().max() / two.abs().max())


def same(row, powers, reference, bits, tolerance, build=None):
    """The distance to the reference after co-scaling; infinite where the constructor or the step refuses."""
    try:
        path, *_ = run(row, powers, bits, reference, tolerance, build)
    except (ValueError, RuntimeError, OverflowError, ZeroDivisionError):
        return float("inf")
    return distance(path, reference[: len(path)])


def check_states(row, exponents, reference):
    """Complaints about state entries that do not move with their exponents."""
    _, base, one = run(row, {}, 0)
    _, scaled, two = run(row, exponents, row.bits[-1])
    tolerance = CLOSE if row.verdict == "CLOSE_OR_EXACT" else 0.0
    seen = set()
    for p, q in zip(one.params, two.params):
        for name, exponent in row.states.items():
            if name not in base.state[p]:
                continue
            seen.add(name)
            before = torch.as_tensor(base.state[p][name], dtype=torch.float64)
            after = torch.as_tensor(scaled.state[q][name], dtype=torch.float64)
            expected = before * 2.0 ** float(Fraction(exponent) * row.bits[-1])
            if not (after - expected).abs().max() <= tolerance * expected.abs().max() * 10:
                yield f"state {name} does not move with {exponent}"
    yield from (f"state {name} does not exist" for name in row.states if name not in seen)


def check_law(row, reference, build=None, label=""):
    """Complaints about a law: it must hold at every α, fail for each exponent off by one, ignore what is inert."""
    exponents = {name: Fraction(value) for name, value in row.exponents.items()}
    tolerance = CLOSE if row.verdict == "CLOSE_OR_EXACT" else 0.0
    for extra in ({}, *row.freedom):
        shifted = {name: k + Fraction(extra.get(name, "0")) for name, k in exponents.items()}
        for bits in [sign * b for b in row.bits for sign in (1, -1)]:
            gap = same(row, shifted, reference, bits, tolerance, build)
            if gap > tolerance:
                yield f"{label}law fails at 2^{bits}: {gap:.1e} (freedom {extra})"
    for name, shift in itertools.product(exponents, (1, -1)):
        wrong = {**exponents, name: exponents[name] + shift}
        gap = same(row, wrong, reference, row.bits[0], 1e-6, build)
        if gap <= 1e-6:
            yield f"{label}{name} off by {shift} goes unnoticed: {gap:.1e}"
    for name, shift in itertools.product(row.inert, (1, -1)):
        gap = same(row, {**exponents, name: Fraction(shift)}, reference, row.bits[0], tolerance, build)
        if gap > tolerance:
            yield f"{label}{name} is not inert: {gap:.1e}"


def check_neighbours(row, reference):
    """Complaints if the law fails at an α that is no power of two, or a small change of a setting does (not) matter."""
    exponents = {name: Fraction(value) for name, value in row.exponents.items()}
    gap = same(row, exponents, reference, math.log2(1.25), 1e-9)
    if (gap > 1e-9) != row.rough:
        yield f"at 1.25 the law is off by {gap:.1e}"
    for name in () if row.rough else row.exponents:
        for factor in (1.0001, 0.9999):
            settings = move(defaults(load(row.target), row.set), {name: math.log2(factor)}, 1)
            moved, *_ = run(replace(row, set=settings), {}, 0)
            if (distance(moved, reference) > 1e-7) == (name in row.stepwise):
                yield f"{name} times {factor} changes the weights by {distance(moved, reference):.1e}"


def check_broken(row, reference):
    """Complaints about a broken row: some exponents work after all, or its lines are not in the file once."""
    settings = defaults(load(row.target), row.set)
    free = [name for name, value in settings.items()
            if isinstance(value, float) and not name.startswith(WITHOUT_UNIT)]
    for choice in itertools.product(GRID, repeat=len(free)):
        powers = dict(zip(free, choice))
        gaps = [same(row, powers, reference, bits, 1e-9) for bits in (row.bits[0], -row.bits[0])]
        if max(gaps) <= 1e-9:
            yield f"not broken: {[f'{n} {k}' for n, k in powers.items()]} works"
    text = inspect.getsource(importlib.import_module(row.target.split(":")[0]))
    for line in filter(None, (row.hidden_line_contains, *row.conflict_lines)):
        if text.count(line) != 1:
            yield f"{line!r} occurs {text.count(line)} times"
    if row.hidden is not None and row.exponents and row.hidden_exponent is not None:
        yield from check_hidden(row, reference)


def check_hidden(row, reference):
    """Complaints if the law does not hold once the hidden constant is rewritten to move with its exponent."""
    module, name = row.target.split(":")
    source = textwrap.dedent(inspect.getsource(load(row.target)))
    (line,) = (line for line in source.splitlines() if row.hidden_line_contains in line)
    literal = next((text for text in (repr(row.hidden), f"{row.hidden:.0e}".replace("e-0", "e-")) if text in line), None)
    if literal is None:
        return
    exponents = {key: Fraction(value) for key, value in row.exponents.items()}
    for bits in (row.bits[-1], -row.bits[-1]):
        moved = f"({literal} * 2.0 ** {float(Fraction(row.hidden_exponent) * bits)})"
        scope = dict(vars(importlib.import_module(module)))
        exec(source.replace(line, line.replace(literal, moved)), scope)
        gap = same(row, exponents, reference, bits, 0.0, scope[name])
        if gap > 0.0:
            yield f"with the constant moved by {row.hidden_exponent} the law still fails: {gap:.1e}"


def verify(row):
    """All complaints about one row."""
    reference, *_ = run(row, {}, 0)
    again, *_ = run(row, {}, 0)
    if not torch.isfinite(torch.stack(reference)).all():
        yield "not finite"
    if not torch.equal(torch.stack(again), torch.stack(reference)):
        yield "not repeatable"
    if torch.equal(reference[0], reference[-1]):
        yield "stands still"
    if reference[-1].abs().max() > 1e3:
        yield f"diverges to {reference[-1].abs().max():.1e}"
    if row.verdict == "BROKEN":
        yield from check_broken(row, reference)
    else:
        yield from check_law(row, reference)
        yield from check_neighbours(row, reference)
        yield from check_states(row, {name: Fraction(value) for name, value in row.exponents.items()}, reference)


def main(part=""):
    """Verify all rows whose target contains `part`; the exit status counts the rows with complaints."""
    failed = 0
    for row in ZOO:
        if part not in row.target:
            continue
        complaints = list(verify(row))
        failed += bool(complaints)
        print(f"{'FAIL' if complaints else 'ok':5}{row.verdict:15}{row.target.removeprefix('tests.zoo.')}  {row.set}")
        for complaint in complaints:
            print("       ", complaint)
    print(f"{failed} rows failed")
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

"""Merge the three ways of learning a law into one verdict, and show openly where they disagree."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import product
from typing import Any

from lossgauge.discovery.certify import STEPS, Certificate, certify
from lossgauge.discovery.infer import Derivation, infer
from lossgauge.discovery.probe import Estimate, probe
from lossgauge.discovery.values import STEPS as STEPS_IN_SEARCH
from lossgauge.discovery.values import Choice, choose_values
from lossgauge.errors import ObservationError
from lossgauge.frameworks.subject import Problem, Subject
from lossgauge.laws.law import Law, texts
from lossgauge.laws.multiplier import multiplier
from lossgauge.laws.verdict import Verdict
from lossgauge.records.discovery import Discovery

TRACED_STEPS = 24
GUESSES = [Fraction(n) for n in (0, 1, -1, 2, -2)] + [Fraction(1, 2), Fraction(-1, 2)]
"""Exponents tried by bits for a hyperparameter that neither the code nor the slopes settle."""
WAKING = (2.0**-20, 2.0**20, 2.0**-8, 2.0**8, 2.0**-34)
"""Factors on the gradients tried to bring a contradiction of the code into play."""


@dataclass(frozen=True)
class Findings:
    """What the three ways said, before it is one verdict.

    Args:
        choice: Where the optimizer was studied.
        derivation: What its code says.
        estimate: What its paths say.
        certificate: What the bits say for `exponents`.
        exponents: The best claim.
        witness: A certificate that shows a contradiction of the code at work, where there is one.
    """

    choice: Choice
    derivation: Derivation
    estimate: Estimate
    certificate: Certificate
    exponents: Mapping[str, Fraction]
    witness: Certificate | None = None


def discover(subject: Subject, settings: Mapping[str, Any] | None = None) -> Discovery:
    """Find the law of an optimizer.

    Args:
        subject: The optimizer, clip function or schedule.
        settings: What is fixed: flags, texts and zeros fix the structure; other numbers are starting points.

    Returns:
        The law with its evidence.

    Raises:
        InputError: When a required argument is missing or the constructor refuses the settings.
        ObservationError: When the optimizer moves nothing or cannot be run.
    """
    fixed = dict(settings or {})
    choice = choose_values(subject, fixed)
    numbers = [n for n, h in subject.hyperparameters().items() if h.kind == "number"]
    live = [n for n in numbers if n not in choice.inert]
    pace = choice.steps
    derivation = _derive(subject, choice, live, TRACED_STEPS if pace == STEPS_IN_SEARCH else pace)
    rough = [n for n in live if n not in choice.smooth]
    estimate = probe(subject, choice.settings, choice.smooth, rough, pace)
    exponents, certificate = _best_claim(subject, choice, derivation, estimate, live)
    late = certificate.first_difference
    if derivation.consistent and late is not None and late.step >= TRACED_STEPS // 2:
        derivation = _derive(subject, choice, live, late.step + 2)
    found = Findings(choice, derivation, estimate, certificate, exponents)
    if not derivation.consistent:
        found = replace(found, witness=_witness(subject, found))
    return _conclude(subject, fixed, found)


def _derive(subject: Subject, choice: Choice, live: list[str], steps: int) -> Derivation:
    try:
        return infer(subject.trace(choice.settings, Problem(steps=steps)), live)
    except ObservationError as error:
        return Derivation(
            {}, {}, {}, (), (), (f"the code does not run with unit-carrying numbers ({error})",), (), tuple(live), ()
        )


def _best_claim(
    subject: Subject, choice: Choice, derivation: Derivation, estimate: Estimate, live: list[str]
) -> tuple[dict[str, Fraction], Certificate]:
    """The exponents to certify: from the code, else the slopes, else by trying; the first whose bits agree wins."""
    derived = {**estimate.exponents, **derivation.exponents}
    estimated = {**derivation.exponents, **estimate.exponents}
    open_names = [n for n in live if n not in derived][:2]
    claims = [derived] if derived == estimated else [derived, estimated]
    guesses = list(product(GUESSES, repeat=len(open_names)))
    if not derivation.consistent:  # no guess will make the bits agree
        guesses = guesses[:1]
    candidates = [
        {n: k for n, k in (claim | dict(zip(open_names, guess, strict=True))).items() if n in live}
        for claim in claims
        for guess in guesses
    ]
    chosen = candidates[0]
    if len(candidates) > 1:
        chosen = next((c for c in candidates if _agrees(subject, choice, c)), chosen)
    return chosen, certify(subject, choice.settings, chosen, steps=_steps(choice))


def _agrees(subject: Subject, choice: Choice, exponents: Mapping[str, Fraction]) -> bool:
    return certify(subject, choice.settings, exponents, full=False, steps=_steps(choice)).bitwise


def _steps(choice: Choice) -> int:
    return min(STEPS, max(6, STEPS * choice.steps // 14))


def _witness(subject: Subject, found: Findings) -> Certificate | None:
    """Show the contradiction at work: in the ordinary runs, or with gradients of the constant's size."""
    if not found.certificate.bitwise:
        return found.certificate
    for factor in (*found.derivation.active_at, *WAKING):
        try:
            certificate = certify(
                subject, found.choice.settings, found.exponents, factor, full=False, steps=_steps(found.choice)
            )
        except ObservationError:
            continue
        if certificate.repeatable and not certificate.bitwise:
            return certificate
    return None


def _conclude(subject: Subject, fixed: Mapping[str, Any], found: Findings) -> Discovery:
    verdict = _verdict(found)
    carriers = set(subject.carriers)
    derivation, certificate = found.derivation, found.certificate
    inert = {*found.choice.inert, *(certificate.inert if verdict in (Verdict.EXACT, Verdict.CLOSE) else ())}
    source = derivation.exponents if verdict == Verdict.BROKEN and not derivation.consistent else found.exponents
    if verdict == Verdict.BROKEN and derivation.consistent:
        source = {n: k for n, k in source.items() if n in derivation.exponents or n in found.estimate.exponents}
    exponents = {n: k for n, k in source.items() if n not in inert and n not in carriers}
    defaults = {n: h.default for n, h in subject.hyperparameters().items() if n not in carriers}
    odd_weights = derivation.weight_clashes if derivation.consistent else ()
    law = Law(
        target=subject.target,
        verdict=verdict,
        exponents=exponents,
        states=dict(certificate.states) if verdict in (Verdict.EXACT, Verdict.CLOSE) else _common(found),
        dimensions={n: d for n, d in derivation.dimensions.items() if n in exponents and d.loss == exponents[n]},
        defaults=defaults,
        inert=tuple(sorted(inert - carriers)),
        hidden_constants=derivation.hidden_constants,
        clashes=derivation.clashes if verdict == Verdict.BROKEN else (),
    )
    return Discovery(
        law=law,
        settings={**defaults, **fixed},
        studied_at={n: v for n, v in found.choice.settings.items() if n not in carriers},
        evidence=_evidence(found),
        disagreements=_disagreements(found, verdict),
        advice=_advice(law, found),
        notes=tuple(f"weight units do not fit at {line}; the loss multiplier is not affected" for line in odd_weights),
    )


def _verdict(found: Findings) -> Verdict:
    certificate, estimate = found.certificate, found.estimate
    if not certificate.repeatable:
        return Verdict.UNDECIDED
    if found.derivation.hidden_constants or (not found.derivation.consistent and not _only_on_paper(found)):
        return Verdict.BROKEN
    if not certificate.alphas:
        return Verdict.UNDECIDED
    if certificate.bitwise:
        return Verdict.EXACT
    if certificate.close and (found.derivation.derived or estimate.lawful is not False):
        return Verdict.CLOSE
    return Verdict.BROKEN


def _only_on_paper(found: Findings) -> bool:
    """Lines that contradict each other but never both act: no run shows it, and the slopes fit a law."""
    return found.witness is None and found.certificate.bitwise and found.estimate.lawful is not False


def _common(found: Findings) -> dict[str, Fraction]:
    """State exponents of a broken law: only where the code and the bits do not contradict each other."""
    derived, seen = found.derivation.states, found.certificate.states
    return {slot: k for slot, k in derived.items() if seen.get(slot, k) == k}


def _evidence(found: Findings) -> dict[str, Any]:
    d, e, c = found.derivation, found.estimate, found.certificate
    first = c.first_difference or (found.witness.first_difference if found.witness else None)
    return {
        "infer": {
            "derived": d.derived,
            "consistent": d.consistent,
            "exponents": texts(d.exponents),
            "dimensions": texts(d.dimensions),
            "states": texts(d.states),
            "contradictions": [
                {"where": x.where, "code": x.code, "left": x.left, "right": x.right,
                 "others": [dict(zip(("where", "code", "left", "right"), o, strict=True)) for o in x.others]}
                for x in d.clashes
            ],
            "hidden_constants": [vars(h) for h in d.hidden_constants],
            "unknown_operations": list(d.unknown),
        },
        "probe": {
            "residual": e.residual,
            "exponents": texts(e.exponents),
            "condition": e.condition,
            "lawful": e.lawful,
            "inert": list(e.inert),
            "note": e.note,
        },
        "certify": {
            "alpha": _as_number(first.alpha if first else c.alphas[-2] if len(c.alphas) > 1 else "1"),
            "alphas": list(c.alphas),
            "bitwise": c.bitwise and found.witness is None,
            "first_difference": first.to_dict() if first else None,
            "violations_caught": list(c.caught),
            "inert": list(c.inert),
            "states": texts(c.states),
            "implementations": dict(c.implementations),
            "runs": c.runs,
            "repeatable": c.repeatable,
            "gradient_factor": found.witness.gradient_factor if found.witness else 1.0,
        },
    }  # fmt: skip


def _as_number(alpha: str) -> float:
    return float(multiplier(alpha))


def _disagreements(found: Findings, verdict: Verdict) -> tuple[str, ...]:
    d, e, c = found.derivation, found.estimate, found.certificate
    lines: list[str] = []
    for name, k in e.exponents.items():
        if name in d.exponents and d.exponents[name] != k:
            taken = found.exponents.get(name)
            lines.append(f"{name}: {d.exponents[name]} from the code, {k} from the slopes; the bits decide for {taken}")
    if not d.derived:
        lines.append(f"not derived: {'; '.join(d.unknown[:3])}; the law rests on slopes and bits")
    if e.residual is None:
        lines.append(f"not estimated: {e.note}; the law rests on the code and on bits")
    elif e.inert and e.lawful is False and verdict in (Verdict.EXACT, Verdict.CLOSE):
        lines.append(f"the slopes alone explain no law: {', '.join(e.inert)} act in steps, where there is no slope")
    elif e.lawful is False and verdict in (Verdict.EXACT, Verdict.CLOSE):
        lines.append(f"the slopes fit no law (residual {e.residual:.1e}), yet the bits agree at powers of two")
    if not d.consistent and c.bitwise and found.witness:
        lines.append("the contradiction in the code shows at gradients of another size; ordinary ones do not reach it")
    elif not d.consistent and c.bitwise:
        places = "; ".join(clash.sentence() for clash in d.clashes[:2]) or d.hidden_constants[0].where
        lines.append(f"the code contradicts itself on paper ({places}), but no run shows it")
    elif not d.consistent and e.lawful:
        lines.append("the slopes fit a law at the values studied: only one of the contradicting lines acts there")
    if d.consistent and verdict == Verdict.BROKEN:
        lines.append(
            "the code shows no contradiction, but the runs differ: a unit hides outside the followed operations"
        )
    return tuple(lines)


def _advice(law: Law, found: Findings) -> str:
    if law.verdict == Verdict.UNDECIDED and found.certificate.repeatable:
        return "Its constructor refuses the co-scaled values, so nothing could be certified: fix some with --set."
    if law.verdict == Verdict.UNDECIDED:
        first = found.certificate.first_difference
        where = f" (first in step {first.step}, {first.tensor})" if first else ""
        return (
            f"The same run twice does not give the same bits{where}: fix its seed or remove the source of randomness."
        )
    if not law.lawful:
        return f"No exponents make the run the same: {law.reason() or 'the runs differ'}."
    factors = {Fraction(1): "α", Fraction(-1): "1/α"}
    moved = ", ".join(f"{n} by {factors.get(k, f'α^({k})')}" for n, k in sorted(law.carriers.items()))
    if not moved:
        return "Nothing needs to change: the loss multiplier has no effect."
    return f"With the loss multiplied by α, scale {moved}."

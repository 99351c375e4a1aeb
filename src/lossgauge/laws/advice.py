"""Sentences about a law under one multiplier: true for this optimizer with these numbers, and short."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from lossgauge.laws.companions import rate_of
from lossgauge.laws.equivalence import scaled
from lossgauge.laws.law import Law
from lossgauge.laws.multiplier import power_of_two
from lossgauge.laws.spelling import spell_alpha, spell_list, spell_value
from lossgauge.laws.verdict import Verdict

Settings = Mapping[str, Any]


def summarise(law: Law, exponents: Mapping[str, Fraction], settings: Settings, alpha: Fraction) -> str:
    """What α does to this optimizer, for a beginner.

    Args:
        law: The optimizer's law.
        exponents: k_h of the settings, companions included.
        settings: h, in their own units; what is 0 or None notices nothing.
        alpha: α.

    Returns:
        One sentence.
    """
    if not law.lawful:
        return _summarise_broken(law)
    rate = rate_of(law)
    power = exponents.get(rate, Fraction(0)) if rate else Fraction(0)
    noticing = [name for name, carried in exponents.items() if carried and settings.get(name, 1)]
    if power:
        acts = spell_list([_spell_factor(name, exponents[name], alpha) for name in noticing])
        times = spell_alpha(alpha)
        return f"{law.title}'s steps {_growth(power)}, so a loss {times} times as large acts like {acts}."
    if noticing and rate:
        only = f"only {spell_list(noticing)} still {'notices' if len(noticing) == 1 else 'notice'} it"
        return f"{law.title}'s steps do not grow with the gradient, so a constant factor of the loss cancels; {only}."
    if noticing:
        carry = "carries" if len(noticing) == 1 else "carry"
        return f"{spell_list(noticing)} of {law.title} {carry} a unit of the loss and must change with it."
    if law.follows:
        pairs = spell_list([f"{name} like {other}" for name, other in law.follows.items()])
        return f"{law.title} has no unit of its own, but changes with the optimizer's settings: {pairs}."
    return f"{law.title} does not notice how large the loss is: a constant factor changes nothing at these settings."


def say_untouched(law: Law, alpha: Fraction, groups: Sequence[tuple[Settings, Settings]]) -> str:
    """What multiplying the loss by α and touching nothing amounts to.

    Args:
        law: The optimizer's law.
        alpha: α.
        groups: Per parameter group, the settings and α^(−k_h)·h.

    Returns:
        One sentence.
    """
    factor, changes = spell_alpha(alpha), say_changes(groups)
    if not law.lawful:
        rest = f"; apart from that it is the same as {changes}" if changes else ""
        return f"Multiplying the loss by {factor} and touching nothing has no counterpart among the settings{rest}."
    if not changes:
        return f"Multiplying the loss by {factor} and touching nothing changes nothing."
    return f"Multiplying the loss by {factor} and touching nothing is the same as {changes}."


def say_changes(groups: Sequence[tuple[Settings, Settings]]) -> str:
    """The settings that differ, group by group where groups differ.

    Args:
        groups: Per parameter group, the settings before and after.

    Returns:
        Text such as `lr 0.1 → 1e4 and weight_decay 1e-4 → 1e-9`; empty when nothing differs.
    """
    texts = [
        spell_list([f"{h} {spell_value(old)} → {_spell_after(after[h])}" for h, old in now.items() if after[h] != old])
        for now, after in groups
    ]
    if len(set(texts)) == 1:
        return texts[0]
    return "; ".join(f"in group {index}: {text or 'no change'}" for index, text in enumerate(texts))


def advise(law: Law, alpha: Fraction, groups: Sequence[tuple[Settings, Settings]]) -> list[str]:
    """What to do so that training goes on as before.

    Args:
        law: The optimizer's law.
        alpha: α.
        groups: Per parameter group, the settings and α^(k_h)·h.

    Returns:
        Sentences.
    """
    if alpha == 1:
        return ["The factor is 1: nothing changes."]
    sentences = [_say_first(law, alpha, groups)]
    if any(law.states.values()) and law.lawful:
        carriers = spell_list([name for name, power in law.states.items() if power])
        sentences.append(f"In mid-training the state ({carriers}) has to move too: use `lossgauge rescale`.")
    return sentences


def say_exact(verdict: Verdict, alpha: Fraction) -> list[str]:
    """What the equivalent settings keep exactly.

    Args:
        verdict: The verdict on optimizer and companions together.
        alpha: α.

    Returns:
        Sentences; none where nothing is kept.
    """
    if verdict not in (Verdict.EXACT, Verdict.CLOSE):
        return []
    if verdict is Verdict.CLOSE:
        return ["the weights after every step, to rounding"]
    if power_of_two(alpha):
        return ["the weights after every step, bit for bit, as long as nothing over- or underflows"]
    near = alpha.numerator.bit_length() - alpha.denominator.bit_length()
    bits = spell_alpha(Fraction(2) ** near)
    return [f"the weights after every step, to rounding; bit for bit where α is a power of two, such as {bits}"]


def warm_up(settings: Settings) -> int | None:
    """The number of RAdam's steps with ρ_t = ρ_∞ − 2t·β₂^t/(1 − β₂^t) ≤ 5, which are plain descent.

    Args:
        settings: RAdam's settings; `betas[1]` is β₂, dimensionless.

    Returns:
        The number of steps; None where it is all of them (ρ_∞ = 2/(1 − β₂) − 1 ≤ 5).
    """
    beta = float(settings.get("betas[1]", 0.999))
    limit = 2 / (1 - beta) - 1
    if limit <= 5:
        return None
    step = 1
    while limit - 2 * step * beta**step / (1 - beta**step) <= 5:
        step += 1
    return step - 1


def _say_first(law: Law, alpha: Fraction, groups: Sequence[tuple[Settings, Settings]]) -> str:
    factor, changes = spell_alpha(alpha), say_changes(groups)
    if _has_two_phases(law):
        return f"To train as before with the loss multiplied by {factor}, {_say_phases(alpha, groups[0][0], changes)}."
    if law.lawful and changes:
        return f"To train as before with the loss multiplied by {factor}, set {changes}."
    if law.lawful:
        return f"With the loss multiplied by {factor}, leave everything as it is."
    if changes:
        return f"The nearest to training as before with the loss multiplied by {factor}: set {changes}."
    return f"Nothing among the settings makes up for a loss multiplied by {factor}."


def _has_two_phases(law: Law) -> bool:
    """RAdam: plain descent first, adaptive steps later; exactly undone by two learning rates one after the other."""
    return not law.lawful and "radam" in law.title.lower() and "lr" not in law.exponents


def _say_phases(alpha: Fraction, settings: Settings, changes: str) -> str:
    steps, rate = warm_up(settings), float(settings.get("lr", 0.001))
    first = "every step" if steps is None else f"the first {steps} steps (those with ρ_t ≤ 5)"
    then = "" if steps is None else f", lr = {spell_value(rate)} from then on"
    decay = " with weight_decay·α" if settings.get("decoupled_weight_decay") and settings.get("weight_decay") else ""
    start = f"use lr/α = {spell_value(rate / float(alpha))}{decay} for {first}{then}"
    return f"{start}, and set {changes}" if changes else start


def _summarise_broken(law: Law) -> str:
    if law.verdict is Verdict.UNDECIDED:
        return f"What the factor does to {law.title} could not be established."
    if _has_two_phases(law):
        text = f"{law.title}'s first steps grow with the gradient and its later ones do not, so no single lr suits both"
    elif law.hidden_constants:
        text = f"{law.title} holds a constant against the gradients that nobody can set, so no settings undo a factor"
    else:
        text = f"{law.title} compares quantities that carry different powers of the loss, so no settings undo a factor"
    return f"{text}: {law.reason()}." if law.reason() else f"{text}."


def _growth(power: Fraction) -> str:
    if power > 0:
        return "shrink where the gradient grows"
    return "grow with the gradient" + ("" if power == -1 else f" to the power {-power}")


def _spell_factor(name: str, power: Fraction, alpha: Fraction) -> str:
    text = spell_alpha(alpha) if abs(power) == 1 else spell_value(scaled(1.0, abs(power), alpha))
    return f"{'dividing' if power > 0 else 'multiplying'} {name} by {text}"


def _spell_after(value: Any) -> str:
    return "beyond floating point" if value is None else spell_value(value)

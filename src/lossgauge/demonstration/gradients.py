"""Statements 1 to 3: what a factor on the loss does to gradients and to SGD."""

from collections.abc import Mapping
from typing import Any

from lossgauge.demonstration.numbers import spell
from lossgauge.records.statement import Statement


def judge_unchanged(evidence: Mapping[str, Any]) -> Statement:
    """Statement 1: a constant factor changes nothing.

    Args:
        evidence: What `measure_unchanged` found.

    Returns:
        The statement; it holds only if no multiplier moved any weight elsewhere.
    """
    moved = [alpha for alpha, distance in evidence["distances"].items() if distance != 0]  # NaN, too
    losses = ", ".join(f"{_loss(loss)} at α={alpha}" for alpha, loss in _sorted(evidence["losses"]))
    rprop = "; Rprop, which sees only signs, gives the same bits" if evidence["rprop_identical"] else ""
    return Statement(
        1,
        "a comment",
        "Mathematically, a constant factor on the loss changes nothing.",
        "false for SGD" if moved else "true here",
        not moved,
        f"SGD from {evidence['start']:.2f}, error after 150 steps: {losses}; only the minimum stays{rprop}",
        evidence,
    )


def judge_derivative(evidence: Mapping[str, Any]) -> Statement:
    """Statement 2: the derivative of α·L is α·(a − y).

    Args:
        evidence: What `measure_derivative` found.

    Returns:
        The statement; it holds only by bits.
    """
    equal = [alpha for alpha, same in evidence["activations"].items() if same]
    holds = len(equal) == len(evidence["activations"]) and evidence["network"]["2**17"]
    where = f"at α = {' and '.join(equal)}" if equal else "at no α"
    weights = "the same bits" if evidence["network"]["2**17"] else "other bits"
    return Statement(
        2,
        "the asker",
        "The derivative of the scaled loss is α·(a − y), so the factor does reach the gradient.",
        "true, bit for bit" if holds else "false",
        holds,
        f"{evidence['count']} derivatives equal by bits {where}; a network's gradient: {weights} at 2**17, "
        f"rounding up to {spell(evidence['rounding'])} at 1e5",
        evidence,
    )


def judge_learning_rate(evidence: Mapping[str, Any]) -> Statement:
    """Statement 3: under SGD a factor on the loss is a factor on the learning rate.

    Args:
        evidence: What `measure_learning_rate` found.

    Returns:
        The statement; it holds only if plain SGD, momentum and Nesterov momentum all agree by bits.
    """
    bits = evidence["bits"]
    failed = {name: found["first_difference"] for name, found in bits.items() if not found["identical"]}
    growth = [(step, distance) for step, distance in evidence["growth"] if step in (1, 100, 1000)]
    rounding = ", ".join(f"{spell(distance)} after {step}" for step, distance in growth)
    proof = (
        f"other bits from step {min(failed.values())} on ({', '.join(failed)})"
        if failed
        else f"the same bits at every step ({', '.join(bits)})"
    )
    return Statement(
        3,
        "the answer",
        "Under SGD without regularisation, α on the loss is the same as α on the learning rate.",
        "false" if failed else "true, bit for bit",
        not failed,
        f"α = 2**17 against lr·2**17: {proof}; at 1e5 they part by rounding: {rounding} steps",
        evidence,
    )


def _sorted(losses: Mapping[str, float]) -> list[tuple[str, float]]:
    return sorted(losses.items(), key=lambda entry: float(entry[0]))


def _loss(loss: float) -> str:
    return f"{loss:.2f}" if loss < 1e3 else "diverged"  # NaN is not below anything

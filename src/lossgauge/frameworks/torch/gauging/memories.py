"""What an optimizer remembers, taken apart by where it came from.

A state of exponent k moves with α^k when the loss *and* the settings move. When α alone had always been there, only
the part that gradients put into the state moves: what an L2 coefficient, an initial value or an epsilon put there
stays, and moves with that setting instead. Every part's own powers add up to k, so Euler's theorem stays exact; how a
state divides into its parts is exact for initial values, and an estimate, from the present weights, for the L2.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from lossgauge.frameworks.torch.gauging.pieces import Piece
from lossgauge.laws.law import Law

Power = float | Tensor


@dataclass(frozen=True)
class Part:
    """One summand of a state.

    Args:
        value: The summand, in the unit of the state.
        alpha: Its power of α; one for each element where elements differ.
        settings: Its powers of hyperparameters.
        estimated: Whether how much of the state it is, or its powers, are judged by the present weights and moments;
            the past that led to the state is not kept.
    """

    value: Any
    alpha: Power = 0.0
    settings: Mapping[str, Power] = field(default_factory=dict[str, Power])
    estimated: bool = False


_PROPORTIONAL = {"eta": "lr"}
"""States that a setting sets the size of: ASGD's own learning rate."""
_CONTAINED = {"sum": "initial_accumulator_value", "exp_inf": "eps"}
"""States that contain a setting as it is: Adagrad's accumulator, and the maximum Adamax takes of |g| + epsilon."""
_MEANS = ("momentum_buffer", "exp_avg", "grad_avg")
_SQUARES = ("exp_avg_sq", "max_exp_avg_sq", "square_avg", "sum")


def take_apart(piece: Piece, law: Law) -> dict[str, tuple[Part, ...]]:
    """The parts of every state of one tensor.

    Args:
        piece: The tensor's copies.
        law: The law of its optimizer.

    Returns:
        By state name; the parts of a state add up to it.
    """
    return {name: _parts(name, value, piece, law) for name, value in piece.state.items() if _is_number(value)}


def _parts(name: str, value: Any, piece: Piece, law: Law) -> tuple[Part, ...]:
    power = float(law.states.get(name, 0))
    if not isinstance(value, Tensor):
        return (Part(value, power),)
    source = _PROPORTIONAL.get(name, "")
    if source and law.exponents.get(source) and float(law.exponents[source]) == power:
        return (Part(value, 0.0, {source: 1.0}),)
    if name == "momentum_buffer" and power == 0 and "square_avg" in piece.state:
        return _past_steps(value, piece, law)
    if name == "acc_delta" and law.exponents.get("eps") == 2:
        return _past_squares(value, piece)
    source = _CONTAINED.get(name, "")
    contained: tuple[Part, ...] = ()
    setting = piece.group.get(source)
    if isinstance(setting, float) and setting > 0 and float(law.exponents.get(source, 0)) == power:
        kept = Part(value.clamp(max=setting), 0.0, {source: 1.0}, estimated=name == "exp_inf")  # a maximum forgets
        contained = (kept,)
        value = value - contained[0].value
    return contained + _data_and_decay(name, value, piece, law)


def _past_squares(value: Tensor, piece: Piece) -> tuple[Part, ...]:
    """Adadelta's steps g·√(acc + ε)/√(v + ε) start from ε: what the denominator takes of α is missing in their size."""
    eps, square = float(piece.group["eps"]), piece.state["square_avg"]
    reached = 2 * ((value + eps) / (square + eps)).clamp(max=1.0)
    return (Part(value, reached, {"eps": 1.0 - reached / 2}, estimated=True),)


def _past_steps(value: Tensor, piece: Piece, law: Law) -> tuple[Part, ...]:
    """RMSprop's momentum sums past steps g/(√v + ε), each of which reached the weights as much as the present one."""
    eps = piece.group.get("eps")
    if not isinstance(eps, float) or law.exponents.get("eps") != 1:
        return (Part(value),)
    square = piece.state["square_avg"]
    if piece.group.get("centered") and "grad_avg" in piece.state:
        square = square - piece.state["grad_avg"] ** 2
    size = square.clamp(min=0).sqrt() + eps
    reached = eps / size
    data = {"eps": -reached}
    decay = _coupled_decay(piece, law)
    if not decay:
        return (Part(value, reached, data, estimated=True),)
    pulled = _gathered("momentum_buffer", piece) * decay * piece.weight / size
    pull = Part(pulled, reached - 1.0, {**data, "weight_decay": 1.0}, estimated=True)
    return Part(value - pulled, reached, data, estimated=True), pull


def _data_and_decay(name: str, value: Tensor, piece: Piece, law: Law) -> tuple[Part, ...]:
    """What gradients and what a coupled weight decay put into a moment, as if the weights had been there all along."""
    power = float(law.states.get(name, 0))
    decay = _coupled_decay(piece, law)
    if not decay or value.shape != piece.weight.shape:
        return (Part(value, power),)
    pull = decay * piece.weight
    weight = _gathered(name, piece)
    if not weight:  # an accumulator before its first gradient
        return (Part(value, power),)
    if power == 1 and name in _MEANS:
        return Part(value - weight * pull, 1.0), Part(weight * pull, 0.0, {"weight_decay": 1.0}, estimated=True)
    if power == 2 and name in _SQUARES:
        own = torch.minimum(weight * pull**2, value)
        cross = 2 * weight * pull * _mean_gradient(piece, pull)
        data = value - own - cross
        possible = (data >= 0) & (cross**2 <= 4 * data * own)  # as it is for a mean of squares, at every α
        cross = torch.where(possible, cross, torch.zeros_like(cross))
        return (
            Part(value - own - cross, 2.0),
            Part(cross, 1.0, {"weight_decay": 1.0}, estimated=True),
            Part(own, 0.0, {"weight_decay": 2.0}, estimated=True),
        )
    return (Part(value, power),)


def _coupled_decay(piece: Piece, law: Law) -> float:
    """λ where it is added to the gradient, in L/W²; 0 without."""
    decay = piece.group.get("weight_decay", 0.0)
    return float(decay) if isinstance(decay, (int, float)) and law.exponents.get("weight_decay") == 1 else 0.0


def _mean_gradient(piece: Piece, pull: Tensor) -> Tensor:
    for name in _MEANS[1:]:
        mean, weight = piece.state.get(name), _gathered(name, piece)
        if isinstance(mean, Tensor) and weight > 0:
            return mean / weight - pull
    return torch.zeros_like(pull)


def _gathered(name: str, piece: Piece) -> float:
    """How often a constant gradient would be in a moment by now: 1 − βᵗ in an average, up to 1/(1 − β) in a sum."""
    group, steps = piece.group, float(piece.state.get("step", piece.steps))
    if name == "momentum_buffer":  # SGD does not dampen its first gradient
        beta, share = group.get("momentum", 0.0), 1 - group.get("dampening", 0.0)
        return share * (1 - beta**steps) / (1 - beta) + (1 - share) * beta ** max(steps - 1, 0) if beta < 1 else steps
    if name == "sum":
        return steps
    if "betas" in group:
        beta = group["betas"][0 if name == "exp_avg" else 1]
    else:
        beta = group.get("alpha", group.get("rho", 0.0))
    return 1 - beta**steps


def _is_number(value: Any) -> bool:
    return value.is_floating_point() if isinstance(value, Tensor) else isinstance(value, float)

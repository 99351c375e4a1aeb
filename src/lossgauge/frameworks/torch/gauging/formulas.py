"""How each operation is computed again from its inputs, by the name of its autograd node.

A formula gets the node and a function that gives the value of an input, both of which raise `Unknown` for what was not
kept. Nodes with several outputs give all of them.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional

from lossgauge.frameworks.torch.gauging.formulas_of_layers import LAYERS
from lossgauge.frameworks.torch.gauging.formulas_of_losses import LOSSES
from lossgauge.frameworks.torch.gauging.formulas_of_shapes import SHAPES
from lossgauge.frameworks.torch.gauging.saved import Formula, Take, kept, saved


def _scalar(value: Any) -> Any:
    """A constant as it was written: a Python number saved as a tensor must not widen the format of the result."""
    if isinstance(value, torch.Tensor) and value.ndim == 0 and value.device.type == "cpu":
        return value.item()
    return value


def _operand(node: Any, take: Take, name: str, place: int) -> Any:
    value = saved(node, name)
    if value is None:
        return take(place)
    inputs = node.next_functions
    return _scalar(value) if place >= len(inputs) or inputs[place][0] is None else value


def _added(sign: float) -> Formula:
    def add(node: Any, take: Take) -> torch.Tensor:
        return torch.add(take(0), take(1), alpha=sign * kept(node, "alpha"))

    return add


def _multiplied(node: Any, take: Take) -> torch.Tensor:
    return _operand(node, take, "self", 0) * _operand(node, take, "other", 1)


def _divided(node: Any, take: Take) -> torch.Tensor:
    return _operand(node, take, "self", 0) / _operand(node, take, "other", 1)


def _power(node: Any, take: Take) -> torch.Tensor:
    return torch.pow(_operand(node, take, "self", 0), kept(node, "exponent"))


def _of_saved(function: Callable[..., torch.Tensor], *names: str) -> Formula:
    """A function of the saved input and of saved settings."""

    def compute(node: Any, take: Take) -> torch.Tensor:
        return function(_operand(node, take, "self", 0), *(kept(node, name) for name in names))

    return compute


def _of_two(function: Callable[..., torch.Tensor]) -> Formula:
    def compute(node: Any, take: Take) -> torch.Tensor:
        return function(_operand(node, take, "self", 0), _operand(node, take, "other", 1))

    return compute


def _clamped(node: Any, take: Take) -> torch.Tensor:
    return torch.clamp(_operand(node, take, "self", 0), saved(node, "min"), saved(node, "max"))


def _chosen(node: Any, take: Take) -> torch.Tensor:
    return torch.where(kept(node, "condition"), take(0), take(1))


def _addcmul(node: Any, take: Take) -> torch.Tensor:
    first, second = _operand(node, take, "tensor1", 1), _operand(node, take, "tensor2", 2)
    return torch.addcmul(take(0), first, second, value=kept(node, "value"))


def _mean(node: Any, take: Take) -> torch.Tensor:
    return take(0).mean(kept(node, "dim"), kept(node, "keepdim")) if _along(node) else take(0).mean()


def _sum(node: Any, take: Take) -> torch.Tensor:
    return take(0).sum(kept(node, "dim"), kept(node, "keepdim")) if _along(node) else take(0).sum()


def _along(node: Any) -> bool:
    return bool(saved(node, "dim"))


def _largest(node: Any, take: Take) -> torch.Tensor:
    return take(0).max(kept(node, "dim"), kept(node, "keepdim")).values


def _variance(node: Any, take: Take) -> torch.Tensor:
    correction = saved(node, "correction")
    settings = {"correction": 1 if correction is None else correction, "keepdim": kept(node, "keepdim")}
    return torch.var(_operand(node, take, "self", 0), saved(node, "dim"), **settings)


FORMULAS: dict[str, Formula] = {
    "AbsBackward0": _of_saved(torch.abs),
    "AddBackward0": _added(1.0),
    "AddcmulBackward0": _addcmul,
    "ClampBackward1": _clamped,
    "ClampMaxBackward0": _of_saved(lambda tensor, most: tensor.clamp(max=most), "max"),
    "ClampMinBackward0": _of_saved(lambda tensor, least: tensor.clamp(min=least), "min"),
    "CosBackward0": _of_saved(torch.cos),
    "CoshBackward0": _of_saved(torch.cosh),
    "DivBackward0": _divided,
    "DivBackward1": _divided,
    "GeluBackward0": _of_saved(lambda tensor, how: functional.gelu(tensor, approximate=how), "approximate"),
    "LeakyReluBackward0": _of_saved(functional.leaky_relu, "negative_slope"),
    "Log10Backward0": _of_saved(torch.log10),
    "Log1PBackward0": _of_saved(torch.log1p),
    "Log2Backward0": _of_saved(torch.log2),
    "LogBackward0": _of_saved(torch.log),
    "LogSigmoidBackward0": _of_saved(functional.logsigmoid),
    "LogaddexpBackward0": _of_two(torch.logaddexp),
    "MaxBackward0": _largest,
    "MaximumBackward0": _of_two(torch.maximum),
    "MeanBackward0": _mean,
    "MeanBackward1": _mean,
    "MinimumBackward0": _of_two(torch.minimum),
    "MulBackward0": _multiplied,
    "MulBackward1": _multiplied,
    "NegBackward0": lambda node, take: -take(0),
    "PowBackward0": _power,
    "RsubBackward0": lambda node, take: torch.rsub(take(0), take(1), alpha=kept(node, "alpha")),
    "SiluBackward0": _of_saved(functional.silu),
    "SinBackward0": _of_saved(torch.sin),
    "SinhBackward0": _of_saved(torch.sinh),
    "SoftplusBackward0": _of_saved(functional.softplus, "beta", "threshold"),
    "SubBackward0": _added(-1.0),
    "SumBackward0": _sum,
    "SumBackward1": _sum,
    "VarBackward0": _variance,
    "WhereBackward0": _chosen,
    **LAYERS,
    **LOSSES,
    **SHAPES,
}
"""What is not here is unknown, unless its result was saved."""

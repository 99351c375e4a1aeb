"""Computing again the loss functions proper: they save what they compare."""

from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional

from lossgauge.frameworks.torch.gauging.saved import Formula, Take, kept, saved

REDUCTIONS = ("none", "mean", "sum")


def reduction_of(node: Any) -> str:
    """The reduction a loss function applies itself.

    Args:
        node: Its autograd node.

    Returns:
        `none`, `mean` or `sum`.
    """
    return REDUCTIONS[kept(node, "reduction")]


def _compared(function: Callable[..., torch.Tensor], **settings: str) -> Formula:
    """A loss function of the saved output and target, and of settings saved under other names or the same."""

    def compute(node: Any, take: Take) -> torch.Tensor:
        given = {name: saved(node, under) for name, under in settings.items()}
        return function(kept(node, "self"), kept(node, "target"), reduction=reduction_of(node), **given)

    return compute


def _negative_log_likelihood(node: Any, take: Take) -> torch.Tensor:
    log_probabilities, target = kept(node, "self"), kept(node, "target")
    settings = {"ignore_index": kept(node, "ignore_index"), "reduction": reduction_of(node)}
    return functional.nll_loss(log_probabilities, target, saved(node, "weight"), **settings)


LOSSES: dict[str, Formula] = {
    "BinaryCrossEntropyBackward0": _compared(functional.binary_cross_entropy, weight="weight"),
    "BinaryCrossEntropyWithLogitsBackward0": _compared(
        functional.binary_cross_entropy_with_logits, weight="weight", pos_weight="pos_weight"
    ),
    "HuberLossBackward0": _compared(functional.huber_loss, delta="delta"),
    "KlDivBackward0": _compared(functional.kl_div, log_target="log_target"),
    "MseLossBackward0": _compared(functional.mse_loss),
    "MultiMarginLossBackward0": _compared(functional.multi_margin_loss, p="p", margin="margin", weight="weight"),
    "NllLoss2DBackward0": _negative_log_likelihood,
    "NllLossBackward0": _negative_log_likelihood,
    "SmoothL1LossBackward0": _compared(functional.smooth_l1_loss, beta="beta"),
    "SoftMarginLossBackward0": _compared(functional.soft_margin_loss),
}

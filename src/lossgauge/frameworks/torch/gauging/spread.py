"""The distribution of the numbers in a tensor, as a record."""

import torch

from lossgauge.records.loss_reading import Spread

SAMPLED = 4096
"""Elements the percentiles are taken of."""
LARGEST = 10_000_000
"""Elements of a tensor that are looked at at all: more would be felt in the training's speed."""


def spread_of(tensor: torch.Tensor | None) -> Spread | None:
    """How the elements of a tensor are distributed.

    Args:
        tensor: Any real tensor, or None.

    Returns:
        Mean, deviation and largest value of all elements, percentiles of up to 4096 of them; None for no tensor, an
        empty one, a complex one, and one of more than ten million elements.
    """
    if tensor is None or not 0 < tensor.numel() <= LARGEST or tensor.is_complex():
        return None
    with torch.no_grad():
        flat = tensor.detach().reshape(-1)
        if flat.dtype not in (torch.float32, torch.float64):
            flat = flat.float()
        lowest, highest = torch.aminmax(flat)
        deviation, mean = torch.std_mean(flat, correction=0)
        ordered = sampled(flat).abs().sort().values
        last = ordered.numel() - 1
        picked = ordered[[last // 2, (last + 1) // 2, round(0.99 * last)]]
        numbers = torch.cat((torch.stack((mean, deviation, lowest, highest)), picked)).tolist()
    mean, deviation, lowest, highest, below, above, high = numbers
    return Spread(mean, deviation, (below + above) / 2, high, max(-lowest, highest), flat.numel())


def sampled(flat: torch.Tensor, count: int = SAMPLED) -> torch.Tensor:
    """Up to so many elements of a flat tensor, by a fixed rule that no regular layout falls in step with.

    Args:
        flat: A tensor of one dimension.
        count: How many elements at most.

    Returns:
        The elements; all of them where they are no more than `count`.
    """
    if flat.numel() <= count:
        return flat
    places = torch.arange(count, device=flat.device) * 2_654_435_761 % flat.numel()
    return flat[places]

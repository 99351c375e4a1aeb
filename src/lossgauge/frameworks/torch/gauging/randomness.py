"""Leaving the streams of random numbers as they were."""

from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import Any

import torch


def undisturbed(nodes: Iterable[Any]) -> AbstractContextManager[None]:
    """Put the random-number generators back on the way out.

    Args:
        nodes: Autograd nodes; the devices they work on are looked after, and the CPU.

    Returns:
        A context manager.
    """
    devices = {torch.device(metadata.device) for node in nodes for metadata in node._input_metadata[:1]}
    kinds = {device.type for device in devices} - {"cpu", "meta"}
    if not kinds:
        return torch.random.fork_rng(devices=[], enabled=True)
    kind = min(kinds)
    places = sorted({device.index or 0 for device in devices if device.type == kind})
    return torch.random.fork_rng(devices=places, device_type=kind)

"""The bits of an optimizer's weights: digests for every step, bytes where two runs are compared closely."""

import gc
from collections.abc import Iterator
from hashlib import blake2b
from itertools import zip_longest
from typing import Any

import torch

from lossgauge.frameworks.torch.catalogue import canonical_target
from lossgauge.laws.settings import flatten
from lossgauge.records.run import Bits

DIGEST_SIZE = 16
"""Bytes per digest: enough that two different tensors never share one."""


class OptimizerView:
    """What the observer of a training may ask about a live optimizer; everything it answers is plain data."""

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        """Look at one optimizer.

        Args:
            optimizer: The live optimizer; it is only read.
        """
        self.optimizer = optimizer

    @property
    def target(self) -> str:
        """The optimizer's class as `module:Class`."""
        return canonical_target(type(self.optimizer))

    def settings(self) -> list[dict[str, Any]]:
        """The numbers it is set to, in its groups first and its own attributes last.

        Returns:
            One dictionary per place; entries of tuples apart, in their own units.
        """
        own = {name: value for name, value in vars(self.optimizer).items() if not name.startswith("_")}
        return [_numbers(place) for place in (*self.optimizer.param_groups, own)]

    def names(self, known: dict[int, str], index: int) -> tuple[str, ...]:
        """The name of each weight tensor.

        Args:
            known: Names from models, by the identity of the tensor.
            index: The optimizer's number, for tensors nobody named.

        Returns:
            Names in the order of groups and tensors.
        """
        return tuple(
            given or known.get(id(tensor), f"optimizer{index}.group{g}.param{i}")
            for g, group in enumerate(self.optimizer.param_groups)
            for i, (tensor, given) in enumerate(zip_longest(group["params"], group.get("param_names") or ()))
        )

    def digests(self) -> tuple[str, ...]:
        """A digest of the bytes of each weight tensor.

        Returns:
            Hexadecimal texts, in the order of groups and tensors.
        """
        return tuple(digest(tensor) for tensor in self._tensors())

    def finite(self) -> bool:
        """Whether all weights are finite numbers.

        Returns:
            False as soon as one weight is infinite or not a number.
        """
        return all(bool(torch.isfinite(tensor.detach()).all()) for tensor in self._tensors())

    def numbers(self) -> bytes:
        """All weights as numbers, complex ones as pairs.

        Returns:
            The bytes of float64 numbers, in the order of groups and tensors.
        """
        return b"".join(_wide(tensor).numpy().tobytes() for tensor in self._tensors())

    def formats(self) -> tuple[str, ...]:
        """The number formats of the weights.

        Returns:
            Names such as `float32`, each once.
        """
        return tuple(dict.fromkeys(str(tensor.dtype).removeprefix("torch.") for tensor in self._tensors()))

    def remembers(self) -> bool:
        """Whether the optimizer has a history: it has made steps, or a checkpoint was loaded.

        An accumulator that is filled with one number at the start, as Adagrad's, is no history.

        Returns:
            True where a count of steps is above 0, or where a state tensor holds different numbers.
        """
        return any(map(_history, self.optimizer.state.values()))

    def hooked(self) -> list[int]:
        """The weight tensors whose gradients pass a hook of the user's.

        Returns:
            Their numbers within the optimizer.
        """
        kinds = ("_backward_hooks", "_post_accumulate_grad_hooks")
        return [place for place, tensor in enumerate(self._tensors()) if any(getattr(tensor, k, None) for k in kinds)]

    def bits(self, index: int) -> Bits:
        """The bytes of one weight tensor.

        Args:
            index: Its number within the optimizer.

        Returns:
            The bytes and their number format.
        """
        tensor = list(self._tensors())[index]
        return Bits(str(tensor.dtype).removeprefix("torch."), content(tensor))

    def _tensors(self) -> Iterator[torch.Tensor]:
        return iter(tensors_of(self.optimizer))


def tensors_of(optimizer: torch.optim.Optimizer) -> list[torch.Tensor]:
    """The weight tensors an optimizer holds.

    Args:
        optimizer: The live optimizer.

    Returns:
        The tensors, in the order of groups and tensors.
    """
    return [tensor for group in optimizer.param_groups for tensor in group["params"]]


def live_optimizers() -> list[torch.optim.Optimizer]:
    """Every optimizer there is in this process, whether or not it has made a step.

    Returns:
        The live optimizers. Only the types of objects are looked at; the objects are asked for nothing.
    """
    return [found for found in gc.get_objects() if issubclass(type(found), torch.optim.Optimizer)]


def digest(tensor: torch.Tensor) -> str:
    """A digest of the bytes of a tensor.

    Args:
        tensor: Any dense tensor, on any device.

    Returns:
        Hexadecimal text, the same for the same bits in the same order.
    """
    return blake2b(content(tensor), digest_size=DIGEST_SIZE).hexdigest()


def content(tensor: torch.Tensor) -> bytes:
    """The bytes of a tensor, in the order of its indices.

    Args:
        tensor: Any dense tensor, on any device.

    Returns:
        The bytes, without shape or format.
    """
    plain = tensor.detach()
    if plain.is_complex():
        plain = torch.view_as_real(plain.resolve_conj())
    plain = plain.resolve_neg().cpu().contiguous().reshape(-1)
    return plain.view(torch.uint8).numpy().tobytes()


def names_in(found: object, known: dict[int, str] | None = None, depth: int = 2) -> dict[int, str]:
    """The names models give their weights, wherever models are found.

    Args:
        found: A model, or a mapping or sequence that holds models.
        known: Names found so far; the first name of a tensor stays.
        depth: How many levels of containers are opened.

    Returns:
        Names by the identity of the tensor.
    """
    known = {} if known is None else known
    if isinstance(found, torch.nn.Module):
        for name, tensor in found.named_parameters():
            known.setdefault(id(tensor), name)
    elif depth and isinstance(found, (dict, list, tuple)):
        for entry in list(found.values()) if isinstance(found, dict) else found:
            names_in(entry, known, depth - 1)
    return known


def _wide(tensor: torch.Tensor) -> torch.Tensor:
    plain = tensor.detach()
    if plain.is_complex():
        plain = torch.view_as_real(plain.resolve_conj())
    return plain.resolve_neg().cpu().double().contiguous().reshape(-1)


def _history(state: Any) -> bool:
    if not isinstance(state, dict):
        return False
    step = state.get("step", 0)
    if isinstance(step, (int, float, torch.Tensor)) and float(step) > 0:
        return True
    tensors = [value for value in state.values() if isinstance(value, torch.Tensor) and value.numel() > 1]
    return any(bool((value != value.reshape(-1)[0]).any()) for value in tensors)


def _numbers(place: dict[str, Any]) -> dict[str, Any]:
    flat = flatten({name: value for name, value in place.items() if name != "params"})
    plain = {n: v.item() if isinstance(v, torch.Tensor) and v.numel() == 1 else v for n, v in flat.items()}
    return {n: v for n, v in plain.items() if isinstance(v, (int, float)) and not isinstance(v, bool)}

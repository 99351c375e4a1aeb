"""What two losses are compared on: a model that is never touched, and batches that are kept."""

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence, Sized
from dataclasses import dataclass
from itertools import islice
from typing import Any, cast

import torch
from torch import Tensor, nn

from lossgauge.errors import InputError, LossgaugeError, ScriptError
from lossgauge.frameworks.torch.catalogue import load
from lossgauge.frameworks.torch.comparison.criteria import find_criterion, settle_kind
from lossgauge.frameworks.torch.comparison.gradients import Batch, Pair, run_model
from lossgauge.frameworks.torch.comparison.problems import make_problem
from lossgauge.frameworks.torch.comparison.randomness import restored_buffers, restored_randomness, seed_all

TOLERANCE = 1e-6
"""How far cos² may lie below 1 and still be called 1: a rest of a thousandth of the gradient's length."""


@dataclass(frozen=True)
class Bench:
    """A pair of losses with a model.

    Args:
        pair: The losses and the batches.
        model: As it was given; only copies of it are used.
        title: Of a problem of our own: its name.
        notes: What the reader should know.
    """

    pair: Pair
    model: nn.Module
    title: str = ""
    notes: tuple[str, ...] = ()

    @property
    def sizes(self) -> tuple[int, ...]:
        """How many samples each batch has; empty where its targets are not tensors."""
        sizes = tuple(len(target) for _, target in self.pair.batches if isinstance(target, Tensor) and target.ndim)
        return sizes if len(sizes) == len(self.pair.batches) else ()

    @property
    def used(self) -> dict[str, str]:
        """What the losses are compared on, in words: `model` and `batches`."""
        sizes = self.sizes
        count, weights = len(self.pair.batches), [w for w in self.model.parameters() if w.requires_grad]
        samples = (
            ""
            if not sizes
            else f" of {sizes[0]} samples"
            if len(set(sizes)) == 1
            else (f" of {min(sizes)} to {max(sizes)} samples, {sum(sizes)} in all")
        )
        name = f"{type(self.model).__name__} with {sum(weight.numel() for weight in weights)} weights"
        batches = f"{count} {'batch' if count == 1 else 'batches'}{samples}"
        return {"model": f"{self.title}, {name}" if self.title else name, "batches": batches}

    @property
    def tolerance(self) -> float:
        """How far cos² may lie below 1 for rounding alone, in the coarsest number format among the weights."""
        formats = {weight.dtype for weight in self.model.parameters() if weight.requires_grad}
        return max(TOLERANCE, *(16 * torch.finfo(kind).eps ** 2 for kind in formats))


def prepare(loss_a: Any, loss_b: Any, model: Any, batches: Any, most_batches: int) -> Bench:
    """Find the losses, the model and the batches.

    Args:
        loss_a: A function, a name, or `module:name`.
        loss_b: Another one.
        model: A module, what makes one, or `module:name` of either; None for a small one of our own.
        batches: An iterable of (input, target), what makes one, or `module:name` of either; None with `model`.
        most_batches: How many batches to keep, a count.

    Returns:
        The bench.

    Raises:
        InputError: When something cannot be used, or only one of model and batches is given.
    """
    first, second = find_criterion(loss_a), find_criterion(loss_b)
    if (model is None) != (batches is None):
        given, missing = ("batches", "model") if model is None else ("a model", "batches")
        raise InputError(f"{given} came without {missing}, expected both, or neither for a small problem of our own")
    if model is None:
        kind = settle_kind((first, second))
        module, kept = make_problem(kind)
        title, notes = f"our own {kind} problem", ()
    else:
        module, title = _find_model(model), ""
        kept, notes = _keep_batches(batches, most_batches, _device_of(module))
    return Bench(Pair(first, second, kept), module, title, (*notes, *_watch_randomness(module, kept)))


def _find_model(model: Any) -> nn.Module:
    made = load(model) if isinstance(model, str) else model
    title = model if isinstance(model, str) else type(model).__name__
    if not isinstance(made, nn.Module):
        with restored_randomness():
            seed_all(0)
            made = _make(made, f"the model {title}")
    if not isinstance(made, nn.Module):
        raise InputError(f"the model {title} is {type(made).__name__}, expected a torch.nn.Module or what makes one")
    if not any(weight.requires_grad for weight in made.parameters()):
        raise InputError(f"{type(made).__name__} has no weight that requires a gradient, so nothing can be compared")
    try:
        copy.deepcopy(made)
    except Exception as error:
        raise InputError(
            f"{type(made).__name__} cannot be copied ({error}), and it shall not be changed; give a function that "
            "makes it"
        ) from error
    return made


def _make(maker: Any, what: str) -> Any:
    if not callable(maker):
        return maker
    try:
        return cast("Callable[[], Any]", maker)()
    except LossgaugeError:
        raise
    except Exception as error:
        raise ScriptError(f"{what} cannot be made without arguments: {type(error).__name__}") from error


def _keep_batches(batches: Any, most: int, device: torch.device) -> tuple[list[Batch], tuple[str, ...]]:
    made = load(batches) if isinstance(batches, str) else batches
    made = made if isinstance(made, Iterable) else _make(made, "the batches")
    if not isinstance(made, Iterable) or isinstance(made, (str, bytes, Mapping, Tensor)):
        raise InputError(
            f"the batches are {type(made).__name__}, expected an iterable of pairs (input, target), such as a "
            "DataLoader, or a function that returns one"
        )
    try:
        with restored_randomness():
            kept = list(islice(cast("Iterable[Any]", made), most + 1))
    except LossgaugeError:
        raise
    except Exception as error:
        raise ScriptError("the batches failed while they were read") from error
    if not kept:
        raise InputError("there are no batches, expected at least one pair (input, target); was an iterator used up?")
    more = len(kept) > most
    for number, batch in enumerate(kept, 1):
        if not isinstance(batch, (tuple, list)) or len(cast("Sequence[Any]", batch)) != 2:
            shape = f" with {len(cast('Sized', batch))} parts" if isinstance(batch, (tuple, list)) else ""
            raise InputError(f"batch {number} is {type(batch).__name__}{shape}, expected a pair (input, target)")
    rest = (f"only the first {most} batches were used; most_batches sets how many",) if more else ()
    return [(_move(given, device), _move(target, device)) for given, target in kept[:most]], rest


def _move(value: Any, device: torch.device) -> Any:
    """A batch on the model's device, as every training loop puts it there."""
    if isinstance(value, Tensor):
        return value.detach().to(device)
    if isinstance(value, Mapping):
        return {name: _move(item, device) for name, item in cast("Mapping[Any, Any]", value).items()}
    if type(value) in (tuple, list):
        return type(value)(_move(item, device) for item in value)
    return value


def _device_of(model: nn.Module) -> torch.device:
    return next(weight for weight in model.parameters() if weight.requires_grad).device


def _watch_randomness(model: nn.Module, batches: Sequence[Batch]) -> tuple[str, ...]:
    """Whether the model draws random numbers, or gives something else each time without drawing any."""
    probe = copy.deepcopy(model)
    outputs: list[Any] = []
    with restored_randomness(), torch.no_grad():
        for seed in (0, 0, 1):
            with restored_buffers(probe):
                seed_all(seed)
                outputs.append(run_model(probe, batches[0][0], "batch 1"))
    if not all(isinstance(output, Tensor) for output in outputs):
        return ("the model's output is not one tensor, so there are no weights of samples",)
    if not torch.equal(outputs[0], outputs[1]) and not bool(torch.isnan(outputs[0]).any()):
        return ("the model does not repeat itself with the same random numbers; both losses still see the same output",)
    if not torch.equal(outputs[0], outputs[2]) and not bool(torch.isnan(outputs[0]).any()):
        return ("the model draws random numbers (dropout); both losses see the same ones",)
    return ()

"""What a sweep trains: models, losses and data by name, the built-in ones and anybody's `module:name`."""

import difflib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import cycle, islice, pairwise
from typing import Any

import torch
from torch import Tensor, nn

from lossgauge.errors import InputError, LossgaugeError
from lossgauge.frameworks.torch.catalogue import load
from lossgauge.records.sweep import Workload

Batch = tuple[Tensor, Tensor]
MODEL_SEED = 0


@dataclass(frozen=True)
class Material:
    """A workload as live objects.

    Args:
        workload: The names it was loaded from.
        build: Makes the model; draws its weights from the global generator.
        loss: (output, target) → scalar.
        batches: The batches of one epoch.
    """

    workload: Workload
    build: Callable[[], nn.Module]
    loss: Callable[[Any, Tensor], Tensor]
    batches: tuple[Batch, ...]

    def stream(self) -> Iterator[Batch]:
        """The batches of a training, epoch after epoch.

        Returns:
            As many batches as there are steps.
        """
        return islice(cycle(self.batches), self.workload.steps)

    def model(self, seed: int, dtype: torch.dtype) -> nn.Module:
        """The model as a training with this seed starts with it.

        Args:
            seed: Seeds the global generator first.
            dtype: The number format of its weights.

        Returns:
            A fresh model.
        """
        torch.manual_seed(seed)
        return self.build().to(dtype)


def check_workload(workload: Workload) -> None:
    """Make sure that a workload can be trained: everything is found, data repeat themselves, one step runs.

    Args:
        workload: The names, as in a plan.

    Raises:
        InputError: When something is missing, changes between epochs, or does not fit together.
    """
    load_material.cache_clear()
    material = load_material(workload)
    if workload.steps < 1:
        raise InputError(f"steps is {workload.steps}, expected at least 1")
    again = _epoch(workload.data)
    if not _same(material.batches, again):
        raise InputError(
            f"data {workload.data!r} gave other batches when it was called again; all trainings of a sweep must "
            "see the same data: seed a generator of its own inside, and do not shuffle by the global one"
        )
    _try_step(material)


@lru_cache(maxsize=4)
def load_material(workload: Workload) -> Material:
    """Find what a workload names.

    Args:
        workload: The names.

    Returns:
        The live objects; cached, for a worker runs many tasks of one workload.

    Raises:
        InputError: When something is not found, or data are not batches.
    """
    loss = LOSSES.get(workload.loss) or _found("loss", workload.loss, list(LOSSES))
    return Material(workload, _builder(workload.model), loss, _epoch(workload.data))


def _builder(name: str) -> Callable[[], nn.Module]:
    if ":" in name:
        return _found("model", name, [])
    if re.fullmatch(r"mlp(-[1-9]\d*){2,}", name):
        sizes = [int(size) for size in name.split("-")[1:]]
        return lambda: _perceptron(sizes)
    if re.fullmatch(r"cnn(-[1-9]\d*){2,}", name):
        channels = [int(size) for size in name.split("-")[1:]]
        return lambda: _convolutional(channels)
    return _found("model", name, ["mlp-16-64-64-1", "mlp-784-256-256-10", "cnn-1-8-16"])


def _found(what: str, name: str, known: list[str]) -> Any:
    if ":" not in name:
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise InputError(f"no {what} is called {name!r}{hint}; expected module:name, or one of: {', '.join(known)}")
    value = load(name)
    if not callable(value):
        raise InputError(f"{what} {name!r} is {type(value).__name__}, expected a function")
    return value


def _perceptron(sizes: list[int]) -> nn.Module:
    layers: list[nn.Module] = []
    for wide, narrow in pairwise(sizes):
        layers += [nn.Linear(wide, narrow), nn.Tanh()]
    return nn.Sequential(*layers[:-1])


def _convolutional(channels: list[int]) -> nn.Module:
    """Convolutions of 3×3 with a tanh after each, on 28×28 images, halved after each, and ten classes at the end."""
    layers: list[nn.Module] = []
    for few, many in pairwise(channels):
        layers += [nn.Conv2d(few, many, 3, padding=1), nn.Tanh(), nn.AvgPool2d(2)]
    side = 28 // 2 ** (len(channels) - 1)
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels[-1] * side * side, 10))


def regression(batches: int = 8, size: int = 64) -> list[Batch]:
    """A smooth function of 16 numbers, with a little noise.

    Args:
        batches: How many batches an epoch has.
        size: Samples per batch.

    Returns:
        Inputs (size, 16) and targets (size, 1).
    """
    generator = torch.Generator().manual_seed(20)
    direction = torch.randn(16, 1, generator=generator) / 4
    pairs: list[Batch] = []
    for _ in range(batches):
        inputs = torch.randn(size, 16, generator=generator)
        noise = torch.randn(size, 1, generator=generator)
        pairs.append((inputs, torch.sin(2 * inputs @ direction) + 0.1 * noise))
    return pairs


def classification(batches: int = 4, size: int = 128) -> list[Batch]:
    """Ten clouds in 784 dimensions, partly overlapping.

    Args:
        batches: How many batches an epoch has.
        size: Samples per batch.

    Returns:
        Inputs (size, 784) and classes (size,).
    """
    generator = torch.Generator().manual_seed(21)
    centres = torch.randn(10, 784, generator=generator) / 8
    pairs: list[Batch] = []
    for _ in range(batches):
        classes = torch.randint(10, (size,), generator=generator)
        pairs.append((centres[classes] + torch.randn(size, 784, generator=generator), classes))
    return pairs


def images(batches: int = 4, size: int = 64) -> list[Batch]:
    """The same clouds as images of one channel.

    Args:
        batches: How many batches an epoch has.
        size: Samples per batch.

    Returns:
        Inputs (size, 1, 28, 28) and classes (size,).
    """
    return [(inputs.reshape(-1, 1, 28, 28), classes) for inputs, classes in classification(batches, size)]


LOSSES: dict[str, Callable[..., Tensor]] = {
    "mse": nn.functional.mse_loss,
    "cross-entropy": nn.functional.cross_entropy,
}
DATA: dict[str, Callable[[], list[Batch]]] = {
    "regression": regression,
    "classification": classification,
    "images": images,
}


def _epoch(name: str) -> tuple[Batch, ...]:
    make = DATA.get(name) or _found("data", name, list(DATA))
    try:
        found = [tuple(pair) for pair in make()]
    except LossgaugeError:
        raise
    except Exception as error:
        raise InputError(f"data {name!r} failed: {type(error).__name__}: {error}") from error
    if not found or any(len(pair) != 2 or not all(isinstance(part, Tensor) for part in pair) for pair in found):
        raise InputError(f"data {name!r} did not give batches; expected a list of (input, target) tensors")
    return tuple((pair[0].detach(), pair[1].detach()) for pair in found)


def _same(left: tuple[Batch, ...], right: tuple[Batch, ...]) -> bool:
    return len(left) == len(right) and all(
        a.dtype == b.dtype and a.shape == b.shape and torch.equal(a, b)
        for one, other in zip(left, right, strict=True)
        for a, b in zip(one, other, strict=True)
    )


def _try_step(material: Material) -> None:
    names = material.workload
    with torch.random.fork_rng(devices=[]):
        try:
            model = material.model(MODEL_SEED, torch.float32)
        except Exception as error:
            raise InputError(f"model {names.model!r} cannot be made: {type(error).__name__}: {error}") from error
        if not isinstance(model, nn.Module) or not any(p.requires_grad for p in model.parameters()):
            raise InputError(f"model {names.model!r} has nothing to train; expected an nn.Module with parameters")
        inputs, targets = material.batches[0]
        try:
            loss = material.loss(model(inputs), targets)
            loss.backward()
        except Exception as error:
            raise InputError(
                f"model {names.model!r}, loss {names.loss!r} and data {names.data!r} do not fit: "
                f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
            ) from error
    if loss.dim():
        raise InputError(f"loss {names.loss!r} gave a tensor of shape {tuple(loss.shape)}, expected one number")

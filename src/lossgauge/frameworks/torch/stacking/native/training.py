"""Trainings in native code: one replica after the other, each from its first step to its last without leaving C."""

import ctypes
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch._decomp import core_aten_decompositions, get_decompositions

from lossgauge.frameworks.torch.stacking.course import outcome_of
from lossgauge.frameworks.torch.stacking.gradients import gradient_of_one
from lossgauge.frameworks.torch.stacking.layout import Layout, companions, starting_rows
from lossgauge.frameworks.torch.stacking.native.compiler import NoCompiler, library, processor
from lossgauge.frameworks.torch.stacking.native.expressions import View, row_major
from lossgauge.frameworks.torch.stacking.native.nodes import Untranslatable
from lossgauge.frameworks.torch.stacking.native.prelude import LANES, prelude
from lossgauge.frameworks.torch.stacking.native.source import model_source
from lossgauge.frameworks.torch.stacking.native.translation import Translation
from lossgauge.frameworks.torch.stacking.native.updates import update_differs, update_source
from lossgauge.frameworks.torch.stacking.precisions import as_input, weight_format
from lossgauge.frameworks.torch.stacking.program import Recording
from lossgauge.frameworks.torch.stacking.tracer import trace
from lossgauge.frameworks.torch.stacking.trial import differs_alone
from lossgauge.frameworks.torch.stacking.workloads import Material, load_material
from lossgauge.records.sweep import Outcome, Setting, Workload

__all__ = ["NoCompiler", "Untranslatable", "native_model", "native_refusal", "train_natively"]

SIMPLER = [torch.ops.aten.gelu, torch.ops.aten.leaky_relu, torch.ops.aten.elu, torch.ops.aten.hardtanh]
"""Operations that are taken apart beyond what a trace takes apart by itself."""
COMMON = ["mse_loss", "mse_loss_backward", "tanh_backward", "sigmoid_backward"]
"""What most models are made of, taken apart without torch's casts, which do nothing here and load sympy first (1 s)."""
OVERWRITING = ["relu_", "tanh_", "sigmoid_", "clamp_", "exp_", "neg_", "sqrt_"]
"""Operations in place, taken apart into the one that makes a new tensor and a copy."""
PADDING = 64
"""Bytes after the data of each batch that may be read, so that the last vector may reach over the end."""
SPARE = 4096
"""Bytes of scratch memory after the last block, for the same reason."""
WINDOW = 128
"""Steps that are made in one call; between calls Python can answer an interruption."""


class _Job(ctypes.Structure):
    """The structure `job` of the native source, field by field."""

    _fields_ = [
        ("weights", ctypes.c_void_p), ("slots", ctypes.c_void_p),
        ("replicas", ctypes.c_long), ("width", ctypes.c_long), ("slot_count", ctypes.c_long),
        ("steps", ctypes.c_long), ("batches", ctypes.c_long),
        ("alpha", ctypes.c_void_p), ("inputs", ctypes.c_void_p), ("targets", ctypes.c_void_p),
        ("input_bytes", ctypes.c_long), ("target_bytes", ctypes.c_long),
        ("programs", ctypes.c_void_p), ("scalars", ctypes.c_void_p), ("update", ctypes.c_void_p),
        ("losses", ctypes.c_void_p), ("diverged", ctypes.c_void_p), ("scratch", ctypes.c_void_p),
    ]  # fmt: skip


@dataclass(frozen=True)
class NativeModel:
    """A compiled model.

    Args:
        code: Its library.
        scratch: Bytes of memory it needs for one replica.
        layout: Where the weights lie.
    """

    code: ctypes.CDLL
    scratch: int
    layout: Layout


@lru_cache(maxsize=16)
def native_refusal(workload: Workload, precision: str) -> str:
    """Why a model cannot be trained in native code.

    Args:
        workload: The model, its loss and its data.
        precision: As in a setting.

    Returns:
        One line; empty where native losses and gradients agree with those of the plain loop.
    """
    try:
        with torch.random.fork_rng(devices=[]):
            native_model(workload, precision)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""


@lru_cache(maxsize=16)
def native_model(workload: Workload, precision: str) -> NativeModel:
    """Trace, translate and compile a model with its loss.

    Args:
        workload: Which model, loss and data.
        precision: `float32` or `float64`.

    Returns:
        The compiled model.

    Raises:
        Untranslatable: When it does something there is no C for.
    """
    if precision not in ("float32", "float64"):
        raise Untranslatable(f"autocast to {precision}")
    material = load_material(workload)
    model = material.model(0, weight_format(precision))
    if len({(x.shape, x.dtype, y.shape, y.dtype) for x, y in material.batches}) > 1:
        raise Untranslatable("batches of different sizes")
    if companions([model]):
        raise Untranslatable("buffers or frozen weights")
    layout = Layout.of(model)
    x, y = (as_input(part, precision) for part in material.batches[0])
    weights = {place.name: dict(model.named_parameters())[place.name].detach() for place in layout.places}
    function = gradient_of_one(model, material.loss, precision)
    alpha = torch.ones((), dtype=weight_format(precision))
    graph = trace(function, (weights, {}, alpha, x, y), _decompositions()).graph
    graph.eliminate_dead_code()
    inputs = [
        *(View(f"(w + {p.start})", p.shape, row_major(p.shape)) for p in layout.places),
        View("alpha", (), ()),
        _data("x", x),
        _data("y", y),
    ]
    outputs = [View("loss", (), ()), *(View(f"(g + {p.start})", p.shape, row_major(p.shape)) for p in layout.places)]
    size = 4 if precision == "float32" else 8
    translation = Translation(graph, inputs, outputs, LANES[processor()][precision], size)
    source = model_source(translation, layout, processor(), precision, inputs[-2].kind, inputs[-1].kind)
    native = NativeModel(library(source), translation.memory.total + SPARE, layout)
    for seed in range(2):
        model = material.model(seed, weight_format(precision))
        refusal = _differs(native, material, precision, model, alpha=2.0 ** (3 * seed))
        if refusal:
            raise Untranslatable(refusal)
    return native


def _decompositions() -> dict[Any, Any]:
    """How operations are taken apart on tensors of one format."""
    table: dict[Any, Any] = {**core_aten_decompositions(), **get_decompositions(SIMPLER)}
    plain = [getattr(torch.ops.aten, name).default for name in COMMON]
    table |= {operation: inspect.unwrap(table[operation]) for operation in plain if operation in table}
    return table | dict(map(_made_anew, OVERWRITING))


def _made_anew(name: str) -> tuple[Any, Any]:
    """An operation in place, and what does the same by way of a new tensor."""
    operation = getattr(torch.ops.aten, name.removesuffix("_")).default
    return getattr(torch.ops.aten, name).default, lambda x, *rest: torch.ops.aten.copy_.default(x, operation(x, *rest))


def train_natively(
    material: Material, settings: Sequence[Setting], recording: Recording, progress: Callable[[int], None]
) -> list[Outcome]:
    """Train the settings of one group.

    Args:
        material: What is trained.
        settings: One for each replica.
        recording: What their optimizer does.
        progress: Told how many training steps were made since it was told last.

    Returns:
        The outcome of each setting.

    Raises:
        Untranslatable: When the compiled steps of the optimizer are not those of torch.
    """
    precision, steps = settings[0].precision, material.workload.steps
    dtype = weight_format(precision)
    native = native_model(material.workload, precision)
    update = library(prelude(processor(), precision) + update_source(recording.programs))
    if update_differs(update, recording, dtype):
        raise Untranslatable("compiled steps differ from those of torch")
    rows = starting_rows(native.layout, material, settings)
    losses = np.zeros((len(settings), steps), dtype=np.float64)
    diverged = np.zeros(len(settings), dtype=np.int64)
    kept: dict[str, Any] = _blocks_of(material, settings, recording, native)
    job = _Job(
        **{name: tensor.data_ptr() for name, tensor in kept.items()}, weights=rows.data_ptr(),
        replicas=len(settings), width=native.layout.width, slot_count=recording.slots, steps=steps,
        batches=len(material.batches), input_bytes=kept["inputs"].shape[1], target_bytes=kept["targets"].shape[1],
        update=ctypes.cast(update.update, ctypes.c_void_p), losses=losses.ctypes.data, diverged=diverged.ctypes.data,
    )  # fmt: skip
    outcomes: list[Outcome] = []
    for place in range(len(settings)):
        for start in range(0, steps, WINDOW):
            end = min(start + WINDOW, steps)
            if not diverged[place]:
                native.code.train(ctypes.byref(job), *map(ctypes.c_long, (place, start, end)))
            progress(end - start)
        last, weights = int(diverged[place]), native.layout.read(rows[place])
        seen = losses[place, : last or steps]
        outcomes.append(outcome_of(material.workload, seen, last or None, weights, "compiled"))
    return outcomes


def _blocks_of(
    material: Material, settings: Sequence[Setting], recording: Recording, native: NativeModel
) -> dict[str, Tensor]:
    """The memory of a job, field by field; it must live as long as the job."""
    precision = settings[0].precision
    dtype = weight_format(precision)
    return {
        "slots": _aligned(recording.slots * native.layout.width, dtype),
        "alpha": torch.tensor([float(s.alpha) for s in settings], dtype=torch.float64).to(dtype),
        "inputs": _blocks([as_input(x, precision) for x, _ in material.batches]),
        "targets": _blocks([as_input(y, precision) for _, y in material.batches]),
        "programs": torch.tensor(recording.steps, dtype=torch.int64),
        "scalars": torch.tensor([scalars.ctypes.data for scalars in recording.scalars], dtype=torch.int64),
        "scratch": _aligned(native.scratch, torch.uint8),
    }


def _differs(native: NativeModel, material: Material, precision: str, model: nn.Module, alpha: float) -> str:
    """Whether native losses and gradients are those of plain automatic differentiation."""
    dtype = weight_format(precision)
    batch = (as_input(material.batches[-1][0], precision), as_input(material.batches[-1][1], precision))
    weights, gradient = _aligned(native.layout.width, dtype), _aligned(native.layout.width, dtype)
    native.layout.write(weights, dict(model.named_parameters()))
    x, y, scratch = _blocks([batch[0]]), _blocks([batch[1]]), _aligned(native.scratch, torch.uint8)
    number = ctypes.c_float if precision == "float32" else ctypes.c_double
    native.code.evaluate.restype = number
    pointers = [ctypes.c_void_p(tensor.data_ptr()) for tensor in (weights, gradient, x, y, scratch)]
    loss = native.code.evaluate(*pointers[:2], number(alpha), *pointers[2:])
    names = (place.name for place in native.layout.places)
    found = dict(zip(names, native.layout.read(gradient), strict=True))
    return differs_alone(material, precision, model, batch, alpha, torch.tensor(loss, dtype=dtype), found)


def _data(name: str, tensor: Tensor) -> View:
    kinds = {torch.float32: "real", torch.float64: "real", torch.int64: "long", torch.bool: "char"}
    if tensor.dtype not in kinds:
        raise Untranslatable(f"data of format {tensor.dtype}")
    return View(name, tuple(tensor.shape), row_major(tuple(tensor.shape)), kinds[tensor.dtype])


def _aligned(count: int, dtype: torch.dtype) -> Tensor:
    """Zeros whose first one lies at the start of a line of the cache: the same place in every process."""
    spare = 64 // dtype.itemsize
    block = torch.zeros(count + spare, dtype=dtype)
    start = -block.data_ptr() % 64 // dtype.itemsize
    return block[start : start + count]


def _blocks(tensors: list[Tensor]) -> Tensor:
    """The bytes of several tensors, one row each, with room after them."""
    length = tensors[0].numel() * tensors[0].element_size()
    width = -(-(length + PADDING) // PADDING) * PADDING
    rows = _aligned(len(tensors) * width, torch.uint8).view(len(tensors), width)
    for row, tensor in zip(rows, tensors, strict=True):
        row[:length] = tensor.contiguous().reshape(-1).view(torch.uint8)
    return rows

"""Trials before anything is stacked: does the optimizer, does the model do the same side by side as alone?

That an optimizer acts on every element alone, and that a model can be evaluated for many replicas at once, is shown by
running both ways; a class that fails is trained serially, and no list of names says which.
"""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor, nn

from lossgauge.frameworks.torch.conditions import own_step
from lossgauge.frameworks.torch.stacking.devices import KIND, repeatable
from lossgauge.frameworks.torch.stacking.gradients import gradient_function, trace_stacked
from lossgauge.frameworks.torch.stacking.layout import Layout, companions
from lossgauge.frameworks.torch.stacking.plans import Plan
from lossgauge.frameworks.torch.stacking.precisions import as_input, evaluation, weight_format
from lossgauge.frameworks.torch.stacking.recording import record
from lossgauge.frameworks.torch.stacking.serial import build_optimizer
from lossgauge.frameworks.torch.stacking.updates import StackedUpdate
from lossgauge.frameworks.torch.stacking.workloads import Material, load_material
from lossgauge.records.sweep import Setting, Workload

CPU = torch.device("cpu")
STEPS = 8
REPLICAS = 3
LONGEST = 7
"""Tensors of a trial are cut to this length in each dimension."""
AGREEMENT = {torch.float64: 1e-11, torch.float32: 2e-4}
"""The largest difference of gradients, relative to the largest entry, that rounding may make."""
ROUNDING = 0.01
"""So much of that, of the largest gradient of all, may be rounding: a bias before a normalisation has no gradient."""
ROUGH = 0.05
"""The same under autocast, where sums of stacked and of single products are rounded differently."""
LIGHT = 1_000_000
"""The most numbers a replica may compute in a step for stacking without a compiler to be faster than a plain loop."""


def acts_elementwise(settings: Sequence[Setting], layout: Layout) -> bool:
    """Whether an optimizer, run on all weights of all replicas at once, does to each what it does alone.

    Args:
        settings: Of one group; a few are tried.
        layout: The shapes of the weight tensors.

    Returns:
        True where stacked and serial steps in float64 agree.
    """
    chosen = [settings[len(settings) * k // REPLICAS] for k in range(REPLICAS)]
    shapes = [tuple(min(length, LONGEST) for length in place.shape) for place in layout.places]
    sizes = [int(torch.Size(shape).numel()) for shape in shapes]
    generator = torch.Generator().manual_seed(7)
    start = torch.randn(sum(sizes), generator=generator, dtype=torch.float64)
    gradients = torch.randn(STEPS, REPLICAS, sum(sizes), generator=generator, dtype=torch.float64)
    with torch.random.fork_rng(devices=[]):
        update = StackedUpdate(
            record(chosen, sum(sizes), STEPS, torch.float64), range(REPLICAS), start.repeat(REPLICAS, 1)
        )
        for step in range(STEPS):
            update.gradient.copy_(gradients[step])
            update.step(step)
        for place, setting in enumerate(chosen):
            alone = train_alone(setting, start, gradients[:, place], shapes, sizes)
            if not torch.allclose(alone, update.slots[0][place], rtol=1e-11, atol=1e-11, equal_nan=True):
                return False
    return True


@dataclass(frozen=True)
class Examination:
    """What is known of a model that is to be evaluated for stacked replicas.

    Args:
        refusal: Why it cannot be, in one line; empty where stacked and single gradients agree on every kind of batch.
        work: How many numbers one replica computes in a step.
    """

    refusal: str
    work: int = 0

    @property
    def light(self) -> bool:
        """Whether calling torch costs more than computing, so that stacking pays without a compiler."""
        return self.work <= LIGHT


@lru_cache(maxsize=16)
def examine(workload: Workload, precision: str, device: torch.device = CPU) -> Examination:
    """Try a model on stacked replicas.

    Args:
        workload: The model, its loss and its data.
        precision: As in a setting.
        device: Where it would be.

    Returns:
        What was found.
    """
    material = load_material(workload)
    work = 0
    with torch.random.fork_rng(devices=[]), repeatable() if device.type == KIND else nullcontext():
        try:
            batches = {(x.shape, y.shape): (x, y) for x, y in material.batches}
            for x, y in batches.values():
                batch = (as_input(x, precision).to(device), as_input(y, precision).to(device))
                found = _compare(material, precision, batch)
                if found.refusal:
                    return found
                work = max(work, found.work)
        except Exception as error:
            return Examination(f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error) else ''}")
    return Examination("", work)


def train_alone(
    setting: Setting, start: Tensor, gradients: Tensor, shapes: Sequence[tuple[int, ...]], sizes: Sequence[int]
) -> Tensor:
    """Make the steps of an optimizer on weights given as separate tensors, as users do.

    Args:
        setting: The optimizer and its hyperparameters.
        start: All weights in one row.
        gradients: Those of each step, in one row.
        shapes: Of the tensors.
        sizes: Of the tensors.

    Returns:
        All weights afterwards, in one row.
    """
    pieces = start.clone().split(list(sizes))
    weights = [nn.Parameter(piece.clone().view(shape)) for piece, shape in zip(pieces, shapes, strict=True)]
    optimizer = build_optimizer(setting, list(weights))
    make_step = own_step(optimizer)
    for gradient in gradients:
        for weight, piece, shape in zip(weights, gradient.split(list(sizes)), shapes, strict=True):
            weight.grad = piece.clone().view(shape)
        make_step()
    return torch.cat([weight.detach().reshape(-1) for weight in weights])


def _compare(material: Material, precision: str, batch: tuple[Tensor, Tensor]) -> Examination:
    dtype, device = weight_format(precision), batch[0].device
    models = [material.model(seed, dtype).to(device) for seed in range(2)]
    layout = Layout.of(models[0])
    rows = torch.zeros(2, layout.width, dtype=dtype, device=device)
    for row, model in zip(rows, models, strict=True):
        layout.write(row, dict(model.named_parameters()))
    alpha = torch.tensor([1.0, 2.0], dtype=dtype, device=device)
    right = [rows, alpha, *companions(models).values(), *batch]
    # Bound to other numbers first, so that what a plan does not compute again is noticed.
    rows, alpha, *held, x, y = (value.flip(0) if value.dim() else value.clone() for value in right)
    weights = dict(zip((p.name for p in layout.places), layout.views(rows), strict=True))
    buffers = dict(zip(companions(models), held, strict=True))
    function = gradient_function(models[0], material.loss, precision, device.type)
    graph = trace_stacked(function, weights, buffers, alpha, (x, y))
    plan = Plan(graph, [*weights.values(), *buffers.values(), alpha, x, y])
    for place, value in zip((rows, alpha, *held, x, y), right, strict=True):
        place.copy_(value)
    losses, *gradients = plan.run()
    for place, model in enumerate(models):
        found = {p.name: gradient[place] for p, gradient in zip(layout.places, gradients, strict=True)}
        refusal = differs_alone(material, precision, model, batch, float(alpha[place]), losses[place], found)
        if refusal:
            return Examination(refusal)
    made = [node.meta.get("val") for node in graph.graph.nodes if node.op == "call_function"]
    return Examination("", sum(value.numel() for value in made if isinstance(value, Tensor)) // len(models))


def differs_alone(
    material: Material,
    precision: str,
    model: nn.Module,
    batch: tuple[Tensor, Tensor],
    alpha: float,
    loss: Tensor,
    gradients: Mapping[str, Tensor],
) -> str:
    """Hold a loss and its gradients against those of plain automatic differentiation.

    Args:
        material: What is trained.
        precision: As in a setting.
        model: With the weights in question.
        batch: What it sees, in the number format of the weights.
        alpha: The loss multiplier α.
        loss: The loss found, per unit of loss.
        gradients: The gradients of α·loss found, by name.

    Returns:
        One line about the first difference that rounding does not explain; empty where there is none.
    """
    limit = AGREEMENT[weight_format(precision)] if precision in ("float64", "float32") else ROUGH
    with torch.enable_grad(), evaluation(precision, batch[0].device.type):
        expected = material.loss(model(batch[0]), batch[1])
    trained = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    wanted = torch.autograd.grad(expected * alpha, list(trained.values()), materialize_grads=True)
    if not _near(loss, expected.detach(), limit):
        return "its losses differ from those of the plain loop"
    largest = max(float(gradient.abs().max()) for gradient in wanted)
    for name, gradient in zip(trained, wanted, strict=True):
        if not _near(gradients[name], gradient, limit, ROUNDING * limit * largest):
            return f"its gradients of {name} differ from those of the plain loop"
    return ""


def _near(found: Tensor, expected: Tensor, limit: float, floor: float = 0.0) -> bool:
    scale = float(expected.abs().max()) if expected.numel() else 0.0
    return bool(((found - expected).abs() <= limit * scale + floor).all())

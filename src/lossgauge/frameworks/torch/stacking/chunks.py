"""A chunk of replicas: stacked tensors, what evaluates the model on them, and their training without a compiler."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn
from torch.fx import GraphModule

from lossgauge.frameworks.torch.stacking.course import outcome_of
from lossgauge.frameworks.torch.stacking.gradients import gradient_function, trace_stacked
from lossgauge.frameworks.torch.stacking.layout import Layout, companions, starting_rows
from lossgauge.frameworks.torch.stacking.plans import Plan
from lossgauge.frameworks.torch.stacking.precisions import as_input, weight_format
from lossgauge.frameworks.torch.stacking.updates import Update
from lossgauge.frameworks.torch.stacking.workloads import Material
from lossgauge.records.sweep import Outcome, Setting

MOST_REPLICAS = 64
NEAR_MEMORY = 16 << 20
"""Bytes of weights, gradients and states that are stacked at a time."""
MOST_GRAPHS = 16
_GRAPHS: dict[tuple[object, ...], GraphModule] = {}


@dataclass(frozen=True)
class Bound:
    """A plan bound to the memory of one kind of batch.

    Args:
        plan: Evaluates losses and gradients.
        x: Where the input lies.
        y: Where the target lies.
        gradients: Where the gradients are put, in the order of the weights.
    """

    plan: Plan
    x: Tensor
    y: Tensor
    gradients: list[Tensor]

    def evaluate(self) -> Tensor:
        """Evaluate the model on the batch that was laid there last.

        Returns:
            The losses per unit of loss, (replicas,); the gradients are where they belong.
        """
        losses, *gradients = self.plan.run()
        torch._foreach_copy_(self.gradients, gradients)
        return losses


@dataclass
class Chunk:
    """Replicas trained side by side.

    Args:
        material: What is trained.
        settings: One for each replica.
        layout: Where their weights lie.
        updating: Given their weights, (replicas, width), what makes the steps of their optimizer.
        device: Where the tensors lie.
    """

    material: Material
    settings: Sequence[Setting]
    layout: Layout
    updating: Callable[[Tensor], Update]
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    def __post_init__(self) -> None:
        """Make the models and stack their weights."""
        self.precision = self.settings[0].precision
        dtype = weight_format(self.precision)
        models = {seed: self.material.model(seed, dtype) for seed in {setting.seed for setting in self.settings}}
        self.model: nn.Module = models[self.settings[0].seed]
        rows = starting_rows(self.layout, self.material, self.settings).to(self.device)
        self.update = self.updating(rows)
        self.rows = self.update.slots[0]
        self.alpha = torch.tensor([float(s.alpha) for s in self.settings], dtype=torch.float64).to(self.device, dtype)
        self.weights = dict(zip((p.name for p in self.layout.places), self.layout.views(self.rows), strict=True))
        self.gradients = self.layout.views(self.update.gradient)
        held = companions([models[setting.seed] for setting in self.settings])
        self.buffers = {name: value.to(self.device) for name, value in held.items()}
        self._plans: dict[tuple[torch.Size, ...], Bound] = {}

    def batches(self) -> list[tuple[Tensor, Tensor]]:
        """The data of one epoch, in the format of the weights and where they are.

        Returns:
            Inputs and targets.
        """
        pairs = [(as_input(x, self.precision), as_input(y, self.precision)) for x, y in self.material.batches]
        return [(x.to(self.device), y.to(self.device)) for x, y in pairs]

    def train(self, progress: Callable[[int], None]) -> list[Outcome]:
        """Make all steps.

        Args:
            progress: Told how many training steps were made since it was told last.

        Returns:
            The outcome of each replica.
        """
        count, steps = len(self.settings), self.material.workload.steps
        batches = self.batches()
        losses = np.zeros((steps, count), dtype=np.float64)
        diverged = np.zeros(count, dtype=np.int64)
        with torch.no_grad():
            for step in range(steps):
                bound = self.bind(batches[step % len(batches)])
                found = bound.evaluate()
                self.update.step(step)
                losses[step] = found.double().numpy()
                self._mask(step, losses[step], diverged)
                progress(count)
                if diverged.all():
                    progress((steps - step - 1) * count)
                    break
        return [
            outcome_of(
                self.material.workload,
                losses[:, place],
                int(diverged[place]) or None,
                self.layout.read(self.rows[place]),
                "stacked",
            )
            for place in range(count)
        ]

    def bind(self, batch: tuple[Tensor, Tensor]) -> "Bound":
        """Lay a batch where the model reads it.

        Args:
            batch: Input and target; the first of these shapes makes a new plan.

        Returns:
            What evaluates the model.
        """
        shapes = (batch[0].shape, batch[1].shape)
        if shapes not in self._plans:
            x, y = batch[0].clone(), batch[1].clone()
            kept = {name: value.clone() for name, value in self.buffers.items()}
            graph = self._traced((x, y))
            plan = Plan(graph, [*self.weights.values(), *self.buffers.values(), self.alpha, x, y])
            for name, value in kept.items():  # binding a plan runs it once, and statistics of batches remember
                self.buffers[name].copy_(value)
            self._plans[shapes] = Bound(plan, x, y, self.gradients)
        bound = self._plans[shapes]
        bound.x.copy_(batch[0])
        bound.y.copy_(batch[1])
        return bound

    def _traced(self, batch: tuple[Tensor, Tensor]) -> GraphModule:
        """The graph for chunks of this size; what differs between chunks lies in the tensors it is given."""
        key = (self.material.workload, self.precision, len(self.settings), batch[0].shape, batch[1].shape, self.device)
        if key not in _GRAPHS:
            while len(_GRAPHS) >= MOST_GRAPHS:
                _GRAPHS.pop(next(iter(_GRAPHS)))
            function = gradient_function(self.model, self.material.loss, self.precision, self.device.type)
            _GRAPHS[key] = trace_stacked(function, self.weights, self.buffers, self.alpha, batch)
        return _GRAPHS[key]

    def _mask(self, step: int, losses: np.ndarray, diverged: np.ndarray) -> None:
        """Where a replica's numbers are not finite any more, note the step and set all it has to zero."""
        sums = self.rows.sum(dim=1).double().numpy()
        for place in np.flatnonzero(~(np.isfinite(sums) & np.isfinite(losses))):
            finite = all(bool(torch.isfinite(w).all()) for w in self.layout.read(self.rows[place]))
            if not diverged[place] and not (finite and np.isfinite(losses[place])):
                diverged[place] = step + 1
            if diverged[place]:
                self.update.bury(int(place))
                continue
            for slot in self.update.slots:
                _clear_gaps(slot[place], self.layout)


def replicas_in_cache(layout: Layout, slots: int) -> int:
    """How many replicas to stack: enough to share the cost of a call, few enough for their numbers to stay near.

    Args:
        layout: The weights of one.
        slots: How many numbers there are for each weight: itself, its gradient, the states of its optimizer.

    Returns:
        The same on every machine, so that the same chunks are made everywhere.
    """
    needed = layout.width * 4 * (slots + 2)
    return max(2, min(MOST_REPLICAS, NEAR_MEMORY // needed))


def _clear_gaps(row: Tensor, layout: Layout) -> None:
    """A gap between two tensors may fill with what is not a number, 0/0; it means nothing."""
    end = 0
    for place in layout.places:
        row[end : place.start].zero_()
        end = place.start + place.size
    row[end:].zero_()

"""Training a chunk on an accelerator: a step is recorded once as a graph of kernels, and only launched after that.

The host does not wait for steps: losses, and whether all weights are finite, are noted on the device and read later.
"""

import gc
from collections.abc import Callable, Hashable

import numpy as np
import torch
from torch import Tensor

from lossgauge.frameworks.torch.stacking.chunks import Bound, Chunk
from lossgauge.frameworks.torch.stacking.course import outcome_of
from lossgauge.frameworks.torch.stacking.layout import Layout
from lossgauge.frameworks.torch.stacking.updates import StackedUpdate
from lossgauge.records.sweep import Outcome

LOOK = 64
"""Steps between two looks at what has diverged."""
NUMBERS = 1 << 29
"""How many numbers all replicas of a chunk compute in a step: enough to occupy a device."""
MEMORY = 1 << 31
"""Bytes that a chunk may take."""
LEAST, MOST = 16, 4096
"""Replicas of a chunk."""


def replicas_on_device(layout: Layout, slots: int, work: int) -> int:
    """How many replicas are stacked on a device: always as many, since another number may be multiplied by other code.

    Args:
        layout: The weights of one.
        slots: How many numbers there are for each weight: itself, its gradient, the states of its optimizer.
        work: How many numbers one computes in a step.

    Returns:
        The same for the same model and optimizer on every machine.
    """
    needed = 4 * (2 * layout.width * (slots + 2) + work)
    return max(LEAST, min(MOST, MEMORY // needed, NUMBERS // max(work, 1)))


def train_on_device(chunk: Chunk, progress: Callable[[int], None]) -> list[Outcome]:
    """Make all steps of a chunk.

    Args:
        chunk: On an accelerator; its optimizer's steps are a `StackedUpdate`.
        progress: Told how many training steps were made since it was told last.

    Returns:
        The outcome of each replica.
    """
    steps, count = chunk.material.workload.steps, len(chunk.settings)
    course = _Course(chunk)
    diverged = np.zeros(count, dtype=np.int64)
    batches, done = chunk.batches(), 0
    with torch.no_grad():
        for step in range(steps):
            course.step(step, chunk.bind(batches[step % len(batches)]))
            if (step + 1) % LOOK and step + 1 < steps:
                continue
            _note(diverged, course.sound[done : step + 1].cpu().numpy(), done)
            for place in np.flatnonzero(diverged):
                chunk.update.bury(int(place))
            progress((step + 1 - done) * count)
            done = step + 1
            if diverged.all():
                progress((steps - done) * count)
                break
    losses, rows = course.losses.double().cpu().numpy(), chunk.rows.cpu()
    return [
        outcome_of(
            chunk.material.workload,
            losses[:, place],
            int(diverged[place]) or None,
            chunk.layout.read(rows[place]),
            chunk.device.type,
        )
        for place in range(count)
    ]


class _Course:
    """The steps of a chunk and what is noted of each, on the device."""

    def __init__(self, chunk: Chunk) -> None:
        assert isinstance(chunk.update, StackedUpdate)
        self._update, self._rows = chunk.update, chunk.rows
        steps, count = chunk.material.workload.steps, len(chunk.settings)
        self.losses = torch.zeros(steps, count, dtype=chunk.rows.dtype, device=chunk.device)
        self.sound = torch.zeros(steps, count, dtype=torch.bool, device=chunk.device)
        self._gaps = _gaps_of(chunk.layout).to(chunk.device)
        self._loss, self._sound = torch.empty_like(self.losses[0]), torch.empty_like(self.sound[0])
        self._launches = _Launches(chunk.device)

    def step(self, number: int, bound: Bound) -> None:
        """Make a step on the batch that was laid out for it."""
        self._update.prepare(number)
        program = self._update.recording.steps[number]
        self._launches.run((id(bound), program), lambda: self._make(bound, program))
        self.losses[number].copy_(self._loss)
        self.sound[number].copy_(self._sound)

    def _make(self, bound: Bound, program: int) -> None:
        self._loss.copy_(bound.evaluate())
        self._update.apply(program)
        finite = torch.isfinite(self._rows).logical_or_(self._gaps).all(dim=1)  # a gap may fill with 0/0
        self._sound.copy_(finite.logical_and_(torch.isfinite(self._loss)))


class _Launches:
    """Work that is done again and again on a device: the second time it is recorded, and from then on launched."""

    def __init__(self, device: torch.device) -> None:
        self._recordable = device.type == "cuda"
        self._known: set[Hashable] = set()
        self._graphs: dict[Hashable, torch.cuda.CUDAGraph] = {}

    def run(self, key: Hashable, work: Callable[[], None]) -> None:
        """Do some work; the same key means the same calls on the same memory."""
        if key not in self._graphs and (key not in self._known or not self._recordable):
            self._known.add(key)  # the first time allocates, and chooses kernels
            work()
            return
        if key not in self._graphs:
            self._graphs[key] = _recorded(work)
        self._graphs[key].replay()


def _recorded(work: Callable[[], None]) -> torch.cuda.CUDAGraph:
    """The kernels that some work launches; torch's own context would empty its caches first, and cost as much again."""
    graph, stream = torch.cuda.CUDAGraph(), torch.cuda.Stream()
    collecting = gc.isenabled()
    gc.disable()  # what is thrown away meanwhile may be another graph, which must not happen while one is recorded
    try:
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            graph.capture_begin()
            try:
                work()
            finally:
                graph.capture_end()
        torch.cuda.current_stream().wait_stream(stream)
    finally:
        if collecting:
            gc.enable()
    return graph


def _gaps_of(layout: Layout) -> Tensor:
    """True between the weight tensors."""
    gaps = torch.ones(layout.width, dtype=torch.bool)
    for place in layout.places:
        gaps[place.start : place.start + place.size] = False
    return gaps


def _note(diverged: np.ndarray, sound: np.ndarray, start: int) -> None:
    """Note the first of some steps, counted from 1, after which a replica's numbers were not finite."""
    fresh = (diverged == 0) & ~sound.all(axis=0)
    diverged[fresh] = start + 1 + (~sound).argmax(axis=0)[fresh]

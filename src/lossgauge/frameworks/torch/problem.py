"""The synthetic training as torch tensors: a noisy quadratic whose gradients are written, not derived.

loss_t(w) = α·Σ ½ c·(w − z_t)² and gradient α·c·(w − z_t); α multiplies last, so that under α = 2^m every bit of the
gradient but its exponent stays.
"""

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import torch

from lossgauge.frameworks.subject import Problem

Shapes = tuple[tuple[int, ...], ...]
DENSE: Shapes = ((4, 3), (5,))
MATRICES: Shapes = ((4, 3), (3, 5))
SPARSE_ROWS = 3


class Quadratic:
    """The problem's tensors and their gradients.

    Args:
        problem: What to train on.
        shapes: Shapes of the weights.
        sparse: Whether gradients are sparse, with a few rows at a time.
        graph: Whether gradients can be differentiated once more, as second-order optimizers do.
    """

    def __init__(self, problem: Problem, shapes: Shapes = DENSE, sparse: bool = False, graph: bool = False) -> None:
        self.problem, self.sparse, self.graph, self.evaluations = problem, sparse, graph, 0
        self.dtype = getattr(torch, problem.precision)
        start, self.curvature, self.target, noise = _draw(problem.seed, shapes)
        self._noise = noise
        self.weights = [torch.nn.Parameter(torch.tensor(w, dtype=self.dtype)) for w in start]
        self.names = [f"{'matrix' if len(shape) > 1 else 'vector'}{i}" for i, shape in enumerate(shapes)]

    def set_gradients(self, step: int) -> None:
        """Write α·c·(w − z_t) into every `.grad`.

        Args:
            step: The step number t.
        """
        if self.graph:
            self._derive_gradients(step)
            return
        for i, weight in enumerate(self.weights):
            weight.grad = self._gradient(i, weight, step)

    def loss(self, step: int) -> torch.Tensor:
        """The loss α·Σ ½ c·(w − z_t)² at the current weights.

        Args:
            step: The step number t.

        Returns:
            A scalar tensor that does not require gradients.
        """
        total = torch.zeros((), dtype=self.dtype)
        for i, weight in enumerate(self.weights):
            away = weight.detach() - self._targets(i, step)
            total = total + 0.5 * (torch.from_numpy(self.curvature[i]).to(self.dtype) * away * away).sum()
        return total * self.problem.alpha

    def closure(self, step: int) -> Callable[[], torch.Tensor]:
        """What an optimizer with a line search calls.

        Args:
            step: The step number t.

        Returns:
            A function that writes the gradients and returns the loss.
        """

        def evaluate() -> torch.Tensor:
            self.evaluations += 1
            self.set_gradients(step)
            return self.loss(step)

        return evaluate

    def copy_weights(self) -> dict[str, np.ndarray]:
        """The current weights.

        Returns:
            Copies by tensor name.
        """
        return {n: w.detach().numpy().copy() for n, w in zip(self.names, self.weights, strict=True)}

    def _targets(self, i: int, step: int) -> torch.Tensor:
        return torch.from_numpy(self.target[i] + self._noise[i][step % len(self._noise[i])]).to(self.dtype)

    def _derive_gradients(self, step: int) -> None:
        with torch.enable_grad():
            terms = [
                (0.5 * torch.from_numpy(self.curvature[i]).to(self.dtype) * (w - self._targets(i, step)) ** 2).sum()
                for i, w in enumerate(self.weights)
            ]
            loss = torch.stack(terms).sum() * self.problem.alpha
            for weight, gradient in zip(
                self.weights, torch.autograd.grad(loss, self.weights, create_graph=True), strict=True
            ):
                weight.grad = gradient

    def _gradient(self, i: int, weight: torch.Tensor, step: int) -> torch.Tensor:
        away = weight.detach() - self._targets(i, step)
        gradient = away * torch.from_numpy(self.curvature[i]).to(self.dtype) * self.problem.alpha
        if not self.sparse:
            return gradient
        rows = torch.tensor(sorted({(step * 2 + k) % weight.shape[0] for k in range(SPARSE_ROWS)}))
        return torch.sparse_coo_tensor(rows[None], gradient[rows], list(weight.shape), check_invariants=False)


@lru_cache(maxsize=16)
def _draw(seed: int, shapes: Shapes) -> tuple[list[np.ndarray], ...]:
    rng = np.random.default_rng(seed)
    period = 97
    start = [rng.normal(size=shape) * (len(shape) > 1) for shape in shapes]  # biases start at zero, as in networks
    curvature = [np.exp(rng.uniform(np.log(0.05), np.log(1.6), size=shape)) for shape in shapes]
    target = [rng.normal(size=shape) for shape in shapes]
    noise = [rng.normal(size=(period, *shape)) for shape in shapes]
    return start, curvature, target, noise

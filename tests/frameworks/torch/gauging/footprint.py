"""How much memory the gauge takes: the peak of a process that trains, with the gauge and without, in MB.

Run as a program it makes one training and prints its peak. Pages of files do not count: they are programs, of which a
first call of anything in torch brings some in. The allocator is told to hand large blocks back at once: left alone,
glibc keeps freed blocks of up to 32 MB in its heap, and the peak of the very same training then varies by several of
them.
"""

import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from torch import Tensor, nn

from lossgauge.frameworks.torch.gauging import happenings
from lossgauge.frameworks.torch.gauging.gauge import Gauge
from lossgauge.frameworks.torch.gauging.graph import walk
from lossgauge.frameworks.torch.gauging.request import GaugeSettings
from lossgauge.frameworks.torch.interposition import interpose
from lossgauge.records.injection import Injection
from lossgauge.records.journal import Journal

STEPS = 4
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "MALLOC_MMAP_THRESHOLD_": "65536"}
Built = tuple[nn.Module, Tensor]


class Block(nn.Module):
    """One layer of a transformer."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, 4, batch_first=True)
        self.feed = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, tokens: Tensor) -> Tensor:
        normal = self.first(tokens)
        tokens = tokens + self.attention(normal, normal, normal, need_weights=False)[0]
        return tokens + self.feed(self.second(tokens))


def _row(width: int, layers: int) -> Built:
    return nn.Sequential(*[nn.Linear(width, width, bias=False) for _ in range(layers)]), torch.randn(2, width)


def _mlp() -> Built:
    layers = [nn.Linear(784, 1024), nn.ReLU(), nn.Linear(1024, 1024), nn.ReLU(), nn.Linear(1024, 10)]
    return nn.Sequential(*layers), torch.randn(128, 784)


def _cnn() -> Built:
    layers = [nn.Conv2d(1, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 16, 3), nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(400, 20)), torch.randn(128, 1, 28, 28)


def _gpt() -> Built:
    blocks = [Block(256) for _ in range(4)]
    model = nn.Sequential(nn.Embedding(256, 256), *blocks, nn.Linear(256, 256))
    return model, torch.randint(0, 256, (8, 128))


def _embedding() -> Built:
    return nn.Sequential(nn.Embedding(2**15, 256), nn.Linear(256, 8)), torch.arange(4)


MODELS: dict[str, Callable[[], Built]] = {
    "tiny": lambda: _row(8, 2),
    "one large": lambda: _row(4096, 1),
    "16 of 2048x2048": lambda: _row(2048, 16),
    "4 of 2048x2048": lambda: _row(2048, 4),
    "48 of 512x512": lambda: _row(512, 48),
    "12 of 256x256": lambda: _row(256, 12),
    "MLP": _mlp,
    "CNN": _cnn,
    "GPT 4x256": _gpt,
    "embedding": _embedding,
}


@dataclass(frozen=True)
class Footprint:
    """What was measured.

    Args:
        plain: The peak without the gauge, in MB.
        gauged: The peak with it, in MB.
        largest: The size of the model's largest tensor, in MB.
        activation: The size of the largest gradient on the way through the graph, in MB.
    """

    plain: float
    gauged: float
    largest: float
    activation: float

    @property
    def extra(self) -> float:
        """What the gauge takes, in MB."""
        return self.gauged - self.plain


def measure(model: str, optimizer: str = "Adam", how: str = "gauge", terms: int = 1) -> Footprint:
    """Both trainings, each in a process of its own.

    Args:
        model: One of `MODELS`.
        optimizer: The name of one of torch's.
        how: `gauge`, or `wasteful` for one in which a waste is planted.
        terms: How many terms the loss has, 1 or 2.
    """
    plain, largest, activation = _run(model, optimizer, "plain", terms)
    return Footprint(plain, _run(model, optimizer, how, terms)[0], largest, activation)


@cache
def _run(model: str, optimizer: str, mode: str, terms: int) -> tuple[float, float, float]:
    """The peak of one process, and the sizes of the model's largest weight and activation."""
    command = [sys.executable, "-m", __spec__.name, model, optimizer, mode, str(terms)]
    done = subprocess.run(
        command, env=ENVIRONMENT, cwd=Path(__file__).parents[4], capture_output=True, text=True, check=True
    )
    peak, largest, activation = map(float, done.stdout.split())
    return peak, largest, activation


def _train(model: str, optimizer: str, terms: int) -> tuple[float, float]:
    torch.manual_seed(0)
    network, batch = MODELS[model]()
    stepper = getattr(torch.optim, optimizer)(network.parameters(), lr=1e-3)
    activation = 0
    for _ in range(STEPS):
        stepper.zero_grad()
        output = network(batch)
        loss = output.square().mean()
        loss = loss + 0.1 * output.abs().mean() if terms > 1 else loss
        activation = activation or _largest_activation(loss)
        loss.backward()
        stepper.step()
    return max(weight.nbytes for weight in network.parameters()) / 2**20, activation / 2**20


def _largest_activation(loss: Tensor) -> int:
    nodes = [node for node in walk(loss.grad_fn).nodes if not hasattr(node, "variable")]
    sizes = [(tuple(given.shape), given.dtype.itemsize) for node in nodes for given in node._input_metadata]
    return max(math.prod(map(int, shape)) * size for shape, size in sizes)


def _observed(mode: str, folder: str) -> AbstractContextManager[object]:
    if mode == "plain":
        return nullcontext()
    if mode == "wasteful":
        happenings.finite = lambda tensors: [bool(torch.isfinite(t).all()) for t in [t.clone() for t in tensors]]
    journal = Journal(Path(folder, "session.jsonl"))
    journal.begin("footprint", [], {})
    return interpose(Injection(), Gauge(journal, GaugeSettings()))


def _peak() -> float:
    told = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    peak, files = (int(told[name].split()[0]) / 1024 for name in ("VmHWM", "RssFile"))
    return peak - files


if __name__ == "__main__":
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder, _observed(sys.argv[3], folder):
        found = _train(sys.argv[1], sys.argv[2], int(sys.argv[4]))
    print(_peak(), *found)

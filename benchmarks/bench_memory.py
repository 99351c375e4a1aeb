"""What the gauge adds to the peak memory of a process: the promise is one copy of the largest tensor, beside what it
needs for a model of a few numbers. Of many small tensors the observed elements are what counts: at most 48 times 2^14.
"""

import sys

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from tests.frameworks.torch.gauging.footprint import measure

NOISE = 2.0
"""MB by which two equal processes differ."""
BUFFERS = 32.0
"""MB that the observed elements of the most tensors that are watched take."""


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of a process is read from /proc")
@pytest.mark.parametrize(
    ("model", "optimizer"),
    [
        ("one large", "Adam"),
        ("16 of 2048x2048", "Adam"),
        ("16 of 2048x2048", "SGD"),
        ("embedding", "Adam"),
        ("GPT 4x256", "Adam"),
        ("48 of 512x512", "Adam"),
        ("48 of 512x512", "Muon"),
    ],
)
def bench_memory(benchmark: BenchmarkFixture, model: str, optimizer: str) -> None:
    fixed = measure("tiny").extra
    found = benchmark.pedantic(measure, (model, optimizer), rounds=1)
    beside = found.extra - fixed
    benchmark.extra_info |= {"plain": found.plain, "extra": found.extra, "fixed": fixed, "largest": found.largest}
    print(
        f"{model}, {optimizer}: {found.plain:.0f} MB, with the gauge +{found.extra:.1f} MB, of which {fixed:.1f} MB "
        f"for any model; the rest is {beside / found.largest:.2f} of the largest tensor ({found.largest:.0f} MB)"
    )
    assert beside <= max(found.largest, BUFFERS) + NOISE

"""What the gauge adds to the peak memory of a process; the promise is one copy of the largest tensor.

Where no tensor has a megabyte it may take one. Beside that come Python's own objects, which arrive by the megabyte, and
what the allocator keeps: `INTERPRETER`. To the byte, what is allocated is tested in
`tests/frameworks/torch/gauging/test_room.py`. A loss of several terms is gone through once more for each of them while
everything the forward pass saved is still there: what flows into one operation and out of it comes on top.
"""

import sys

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from lossgauge.frameworks.torch.gauging.room import FLOOR
from tests.frameworks.torch.gauging.footprint import measure

INTERPRETER = 2.5
"""MB of Python and of the allocator."""
CASES = [
    ("MLP", "Adam", 1),
    ("CNN", "Adam", 1),
    ("GPT 4x256", "Adam", 1),
    ("one large", "Adam", 1),
    ("16 of 2048x2048", "Adam", 1),
    ("16 of 2048x2048", "SGD", 1),
    ("48 of 512x512", "Adam", 1),
    ("embedding", "Adam", 1),
    ("MLP", "Adam", 2),
    ("CNN", "Adam", 2),
    ("GPT 4x256", "Adam", 2),
]


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of a process is read from /proc")
@pytest.mark.parametrize(("model", "optimizer", "terms"), CASES)
def bench_memory(benchmark: BenchmarkFixture, model: str, optimizer: str, terms: int) -> None:
    found = benchmark.pedantic(measure, (model, optimizer, "gauge", terms), rounds=1)
    benchmark.extra_info |= vars(found)
    print(
        f"{model}, {optimizer}, {terms} term(s): {found.plain:.0f} MB, with the gauge +{found.extra:.1f} MB; "
        f"the largest weight has {found.largest:.2f} MB, the largest gradient on the way {found.activation:.2f} MB"
    )
    passing = 2 * found.activation if terms > 1 else 0.0
    assert found.extra <= max(found.largest, FLOOR / 2**20) + passing + INTERPRETER


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of a process is read from /proc")
def bench_memory_of_whole_copies(benchmark: BenchmarkFixture) -> None:
    """An optimizer that mixes the elements of a tensor is tried on whole tensors: no promise, but seen."""
    found = benchmark.pedantic(measure, ("12 of 256x256", "Muon"), rounds=1)
    benchmark.extra_info |= vars(found)
    print(f"12 of 256x256, Muon: {found.plain:.0f} MB, with the gauge +{found.extra:.1f} MB")

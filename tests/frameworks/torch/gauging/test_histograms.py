"""Histograms against a plain count with `math.frexp`."""

import math
from collections import Counter

import pytest
import torch

from lossgauge.frameworks.torch.gauging.histograms import histogram, smallest_exponent
from lossgauge.records.histogram import Histogram

FORMATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def slow(values: torch.Tensor) -> Histogram:
    numbers = values.reshape(-1).tolist()
    finite = [abs(x) for x in numbers if math.isfinite(x) and x]
    bins = Counter(math.frexp(x)[1] - 1 for x in finite)
    low, high = min(bins, default=0), max(bins, default=-1)
    return Histogram(
        low,
        tuple(bins[e] for e in range(low, high + 1)),
        zero=numbers.count(0.0),
        subnormal=sum(x < torch.finfo(values.dtype).smallest_normal for x in finite),
        infinite=sum(math.isinf(x) for x in numbers),
        nan=sum(math.isnan(x) for x in numbers),
    )


def awkward(dtype: torch.dtype) -> torch.Tensor:
    """Every kind of number a format has, down to the last bit of its range."""
    generator = torch.Generator().manual_seed(0)
    info, spread = torch.finfo(dtype), {torch.float16: 16, torch.float64: 1100}.get(dtype, 140)
    sizes = 2.0 ** (torch.rand(3000, generator=generator, dtype=torch.float64) * 2 * spread - spread)
    signs = torch.randint(0, 2, (3000,), generator=generator) * 2 - 1
    smallest = torch.tensor(info.smallest_normal, dtype=torch.float64)
    edges = [0.0, -0.0, info.max, info.min, float("inf"), -float("inf"), float("nan"), 1.0, -2.0, 1 - info.eps / 2]
    near = torch.stack([smallest, smallest / 2, smallest * info.eps, smallest * (1 - info.eps)])
    return torch.cat([sizes * signs, torch.tensor(edges, dtype=torch.float64), near]).to(dtype)


@pytest.mark.parametrize("dtype", FORMATS, ids=str)
def test_every_number_lies_in_its_bin(dtype: torch.dtype):
    values = awkward(dtype)
    found = histogram(values)
    assert found == slow(values)
    assert found.elements == len(values)
    assert found.subnormal > 0
    assert found.infinite > 0


@pytest.mark.parametrize("dtype", FORMATS, ids=str)
def test_one_element_in_another_bin_is_seen(dtype: torch.dtype):
    values = awkward(dtype)
    values[values == 1.0] = 2.0
    assert histogram(values) != slow(awkward(dtype))


@pytest.mark.parametrize("values", [[], [0.0, -0.0], [float("nan")], [float("inf"), 0.0], [5e-324], [1e-310, 1.0, 0.0]])
def test_empty_and_extreme_tensors(values: list[float]):
    tensor = torch.tensor(values, dtype=torch.float64)
    assert histogram(tensor) == slow(tensor)


def test_layout_does_not_matter():
    values = torch.randn(40, 30)[::2].t()
    assert histogram(values) == slow(values)


def test_smallest_exponents():
    assert [smallest_exponent(dtype) for dtype in FORMATS] == [-14, -126, -126, -1022]

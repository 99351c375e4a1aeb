"""Norms at any scale, in any format, however the tensor lies in memory."""

import math

import pytest
import torch

from lossgauge.frameworks.torch.gauging.norms import finite, norms


def exact(tensor: torch.Tensor) -> float:
    numbers = tensor.double().reshape(-1).tolist()
    largest = max(map(abs, numbers), default=0.0)
    return largest and largest * math.sqrt(math.fsum((x / largest) ** 2 for x in numbers))


@pytest.mark.parametrize("scale", [1e-37, 1e-25, 1e-13, 1e-3, 1.0, 1e15, 1e25, 1e37])
def test_float32_squares_neither_vanish_nor_overflow(scale: float):
    tensor = torch.randn(999, generator=torch.Generator().manual_seed(0)) * scale
    assert norms([tensor])[0] == pytest.approx(exact(tensor), rel=1e-6)


def test_torch_itself_loses_them():
    """The reason for all this; should it hold no longer, the care may go."""
    assert torch.linalg.vector_norm(torch.full((9,), 1e-25)).item() == 0.0
    assert torch.linalg.vector_norm(torch.full((9,), 1e25)).item() == math.inf


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64], ids=str)
def test_formats_and_sizes(dtype: torch.dtype):
    generator = torch.Generator().manual_seed(0)
    tensors = [torch.randn(n, generator=generator).mul(300).to(dtype) for n in (1, 7, 65_536, 65_537, 300_001)]
    assert norms(tensors) == pytest.approx([exact(tensor) for tensor in tensors], rel=5e-6)


def test_strange_tensors():
    matrix = torch.randn(30, 20)
    image = torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last)
    spread = torch.ones(5, 1).expand(5, 3)
    odd = [matrix.t(), matrix[::2, 1::3], image, spread, torch.tensor(-2.0), torch.zeros(0, 4), torch.zeros(3)]
    assert norms(odd) == pytest.approx([exact(tensor) for tensor in odd], rel=1e-6)
    assert norms([]) == []


def test_what_is_not_finite_stays_so():
    infinite, nan = norms([torch.tensor([1.0, -math.inf]), torch.tensor([1.0, math.nan])])
    assert infinite == math.inf
    assert math.isnan(nan)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64], ids=str)
def test_what_is_not_finite_is_told_apart(dtype: torch.dtype):
    tensors = [torch.ones(70_000, dtype=dtype) for _ in range(4)] + [torch.zeros(0, dtype=dtype), torch.tensor(-1.0)]
    for place, number in ((1, math.nan), (2, math.inf), (3, -math.inf)):
        tensors[place][-1] = number
    tensors.append(tensors[1][:-1][:69_930].view(7, -1).t())
    assert finite(tensors) == [True, False, False, False, True, True, True]
    assert finite([]) == []

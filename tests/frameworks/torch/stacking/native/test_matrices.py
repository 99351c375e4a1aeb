import ctypes

import pytest
import torch

from lossgauge.frameworks.torch.stacking.native import compiler, matrices
from lossgauge.frameworks.torch.stacking.native.expressions import View
from lossgauge.frameworks.torch.stacking.native.prelude import LANES, prelude

pytestmark = pytest.mark.skipif(compiler.compiler() is None, reason="no C compiler")
LANE = LANES[compiler.processor()]["float64"]
GENERATOR = torch.Generator().manual_seed(0)


def random(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=GENERATOR, dtype=torch.float64)


def run(statements: str, **tensors: torch.Tensor) -> None:
    names = ", ".join(f"real *{name}" for name in tensors)
    code = compiler.library(f"{prelude(compiler.processor(), 'float64')}\nvoid run({names}) {{\n{statements}\n}}")
    code.run(*(ctypes.c_void_p(tensor.data_ptr()) for tensor in tensors.values()))


def view(name: str, tensor: torch.Tensor) -> View:
    return View(name, tuple(tensor.shape), tuple(tensor.stride()))


LONG = 2 * matrices.PANEL + 7


@pytest.mark.parametrize(("rows", "vectors", "turned", "bias", "depth"), [
    (1, 1, False, "", 5), (4, 3, True, "columns", 5), (13, 4, False, "rows", 5), (13, 9, True, "columns", 5),
    (7, 2, True, "", 5), (29, 9, False, "columns", LONG), (29, 9, True, "rows", LONG), (3, 1, False, "", LONG),
    (64, 8, False, "", matrices.PANEL),
])  # fmt: skip
def test_products(rows, vectors, turned, bias, depth):
    left = random(depth, rows).T if turned else random(rows, depth)
    right, target = random(depth, vectors * LANE), torch.zeros(rows, vectors * LANE, dtype=torch.float64)
    across, down = random(vectors * LANE), random(rows)
    statements = matrices.product(
        view("t", target), view("l", left), view("r", right), view("a", across) if bias == "columns" else None, LANE,
        "d" if bias == "rows" else None,
    )  # fmt: skip
    run(statements, t=target, l=left, r=right, a=across, d=down)
    expected = left @ right + {"": 0, "columns": across, "rows": down[:, None]}[bias]
    assert torch.allclose(target, expected, rtol=1e-13, atol=1e-13)


def test_a_product_that_stops_too_early_is_noticed():
    left, right, target = random(4, 5), random(5, LANE), torch.zeros(4, LANE, dtype=torch.float64)
    run(matrices.product(view("t", target), view("l", left[:, :4]), view("r", right[:4]), None, LANE),
        t=target, l=left, r=right)  # fmt: skip
    assert not torch.allclose(target, left @ right, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("columns", [1, 2])
def test_scalar_products(columns):
    left, right, bias = random(7, 2 * LANE), random(columns, 2 * LANE).T, random(columns)
    target = torch.zeros(7, columns, dtype=torch.float64)
    run(matrices.dots(view("t", target), view("l", left), view("r", right), view("added", bias), LANE),
        t=target, l=left, r=right, added=bias)  # fmt: skip
    assert torch.allclose(target, left @ right + bias, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize(
    ("depth", "columns", "turned"), [(2 * LANE, 3 * LANE, True), (5, 3, True), (5, 3, False), (1, 9, False)]
)
def test_packing_fills_up_with_zeros(depth, columns, turned):
    source = random(columns, depth).T if turned else random(depth, columns)
    width = matrices.padded(columns, LANE)
    target = torch.full((depth, width), 7.0, dtype=torch.float64)
    run(matrices.packing(view("t", target), view("s", source), LANE), t=target, s=source)
    assert torch.equal(target[:, :columns], source)
    assert not target[:, columns:].any()


@pytest.mark.parametrize(("rows", "others"), [(1, 1), (4, 8), (6, 9), (3, 5)])
def test_sums_kept_lane_by_lane(rows, others):
    left, right = random(rows, 3 * LANE), random(others, 3 * LANE)
    target = torch.ones(rows * others, LANE, dtype=torch.float64)
    run(matrices.vector_sums(view("t", target), view("l", left), view("r", right), LANE), t=target, l=left, r=right)
    assert torch.allclose(target.sum(1).view(rows, others), left @ right.T + LANE, rtol=1e-12, atol=1e-12)


def test_lengths_are_filled_up():
    assert [matrices.padded(n, 16) for n in (1, 16, 17)] == [16, 16, 32]

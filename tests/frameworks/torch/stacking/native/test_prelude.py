import ctypes

import numpy as np
import pytest
import torch

from lossgauge.frameworks.torch.stacking.native import compiler
from lossgauge.frameworks.torch.stacking.native.prelude import LANES, prelude

pytestmark = pytest.mark.skipif(compiler.compiler() is None, reason="no C compiler")
WRAPPERS = """
void tanh_of(real *to, const real *from, long n) { tanh_all(to, from, n); }
void exp_of(real *to, const real *from, long n) { exp_all(to, from, n); }
void turned(real *to, const real *from, long n) { turn(from, LANES, to, LANES); }
void summed(real *to, const real *from, long n) { to[0] = sum_all(from, n); }
"""
SPECIAL = [0.0, -0.0, np.inf, -np.inf, np.nan, 1e-30, 1e-42, 200.0, -200.0, 800.0, -800.0, 88.6, -87.4, -100.0, 9.0]
KINDS = [(kind, precision) for kind in sorted({compiler.processor(), "plain"}) for precision in ("float32", "float64")]


def call(kind: str, precision: str, name: str, given: torch.Tensor, source: str = WRAPPERS) -> torch.Tensor:
    code = compiler.library(prelude(kind, precision) + source)
    room = given.new_zeros(64)  # whole vectors are read and written
    given, length = torch.cat([given.flatten(), room]), given.numel()
    result = torch.empty_like(given)
    getattr(code, name)(ctypes.c_void_p(result.data_ptr()), ctypes.c_void_p(given.data_ptr()), ctypes.c_long(length))
    return result[:length]


def ulps(found: torch.Tensor, exact: torch.Tensor) -> float:
    spacing = np.spacing(np.abs(exact.to(found.dtype).numpy())).astype(np.float64)
    normal = exact.isfinite() & (exact.abs() > torch.finfo(found.dtype).tiny) & found.isfinite()
    return float((np.abs((found.double() - exact.double()).numpy()) / spacing)[normal.numpy()].max())


@pytest.mark.parametrize(("kind", "precision"), KINDS)
@pytest.mark.parametrize(("name", "function"), [("tanh_of", torch.tanh), ("exp_of", torch.exp)])
def test_vector_functions_are_right_to_a_few_ulps(kind, precision, name, function):
    generator = torch.Generator().manual_seed(0)
    spread = [torch.randn(1 << 14, generator=generator, dtype=torch.float64) * s for s in (1, 0.01, 1e-5, 10, 30)]
    given = torch.cat([*spread, torch.tensor(SPECIAL, dtype=torch.float64)]).to(getattr(torch, precision))
    found = call(kind, precision, name, given)
    assert ulps(found, function(given.double())) < 4
    assert ulps(found * (1 + 8 * torch.finfo(found.dtype).eps), function(given.double())) > 4  # it would be noticed
    special, expected = found[-len(SPECIAL) :], function(given[-len(SPECIAL) :])
    assert torch.equal(special.isnan(), expected.isnan())
    assert torch.equal(special.isinf(), expected.isinf())
    assert torch.equal(special == 0, expected == 0)
    kept = ~expected.isnan()
    assert torch.equal(special.signbit()[kept], expected.signbit()[kept])


@pytest.mark.parametrize(("kind", "precision"), KINDS)
def test_squares_are_mirrored(kind, precision):
    lanes = LANES[kind][precision]
    square = torch.arange(lanes * lanes, dtype=getattr(torch, precision)).view(lanes, lanes)
    assert torch.equal(call(kind, precision, "turned", square).view(lanes, lanes), square.T)


@pytest.mark.parametrize(("kind", "precision"), KINDS)
@pytest.mark.parametrize("length", [1, 7, 16, 61, 64])
def test_sums(kind, precision, length):
    numbers = torch.arange(1.0, length + 1, dtype=getattr(torch, precision))
    assert call(kind, precision, "summed", numbers)[0] == length * (length + 1) / 2


@pytest.mark.parametrize(("kind", "precision"), KINDS)
def test_larger_and_smaller_pass_on_what_is_not_a_number(kind, precision):
    source = """void both(real *to, const real *from, long n) {
    to[0] = larger(from[0], from[1]); to[1] = smaller(from[0], from[1]); }"""
    for pair in ((1.0, 2.0), (np.nan, 2.0), (1.0, np.nan), (-np.inf, np.inf)):
        given = torch.tensor(pair, dtype=getattr(torch, precision))
        found = call(kind, precision, "both", given, source)
        expected = torch.stack([torch.maximum(*given), torch.minimum(*given)])
        assert torch.allclose(found, expected, equal_nan=True)


def test_subnormal_numbers_survive_after_native_code_was_loaded():
    """An object made with -ffast-math would flush them in the whole process."""
    call(compiler.processor(), "float32", "exp_of", torch.zeros(64))
    assert float(torch.tensor(1e-30) * torch.tensor(1e-9)) > 0
    assert "-ffast-math" not in compiler.FLAGS

import contextlib
import importlib.util
import math
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from lossgauge.frameworks.torch.tracing.mode import UnitMode
from lossgauge.frameworks.torch.tracing.quantity import Quantity, plain
from lossgauge.frameworks.torch.tracing.redirection import neighbours, unit_keeping
from lossgauge.frameworks.torch.tracing.tags import Tag
from lossgauge.frameworks.torch.tracing.tracer import Tracer
from lossgauge.units.monomial import ONE, Monomial

A, B = Monomial.of("a"), Monomial.of("b")
ROOT = A ** Fraction(1, 2)
CODE = """
import math
import math as m
from math import sqrt, hypot as length
root = math.sqrt
from mine_too import scale

def converted(x): return float(x)
def is_float(x): return isinstance(x, float), isinstance(3, float), issubclass(float, float)
def empty(): return float(), float("inf"), float(3)
"""


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    (tmp_path / "mine.py").write_text(CODE)
    (tmp_path / "mine_too.py").write_text("from math import log1p\ndef scale(x): return log1p(x)\n")
    monkeypatch.syspath_prepend(tmp_path)
    spec = importlib.util.find_spec("mine")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "mine", module)
    spec.loader.exec_module(module)
    yield module
    sys.modules.pop("mine_too")


def quantity(tracer: Tracer, value: float = 0.75, name: str = "a") -> Any:
    return Quantity(value, Tag(Monomial.of(name)), tracer)


def unit(value: Any) -> Monomial:
    return value.tag.unit if isinstance(value, Quantity) else ONE


@pytest.mark.parametrize(
    ("code", "result", "equations"),
    [
        ("math.sqrt(a)", ROOT, []), ("m.sqrt(a)", ROOT, []), ("sqrt(a)", ROOT, []), ("root(a)", ROOT, []),
        ("math.pow(a, 2)", A**2, []), ("math.fabs(a)", A, []), ("math.hypot(a, b)", A, [A / B]),
        ("length(a, b)", A, [A / B]), ("math.exp(a)", ONE, [A]), ("math.log(a, 10)", ONE, [A]),
        ("math.fsum([a, b])", A, [A / B]), ("math.fsum(x for x in (a, b))", A, [A / B]),
        ("math.prod([a, b, 2.0])", A * B, []), ("math.prod([b], start=a)", A * B, []), ("math.copysign(a, -1)", A, []),
        ("math.floor(a)", ONE, [A]), ("math.ceil(a)", ONE, [A]), ("math.trunc(a)", ONE, [A]),
        ("math.fmod(a, b)", A, [A / B]), ("math.atan2(a, b)", ONE, [A / B]), ("math.cbrt(a)", A ** Fraction(1, 3), []),
        ("math.isclose(a, b)", ONE, [A / B]), ("math.isfinite(a)", ONE, []), ("converted(a)", A, []),
        ("scale(a)", ONE, [A]), ("math.sqrt(t)", ROOT, []), ("converted(t)", A, []),
        ("math.exp2(a)" if hasattr(math, "exp2") else "math.exp(a)", ONE, [A]), ("math.sqrt(2.0)", ONE, []),
    ],
)  # fmt: skip
def test_units_survive_the_math_module(mine: ModuleType, code: str, result: Monomial, equations: list[Monomial]):
    tracer = Tracer()
    tracer.step = 0
    tensor = torch.tensor(0.75, dtype=torch.float64)
    tracer.set_tag(tensor, Tag(A))
    given = {"a": quantity(tracer), "b": quantity(tracer, 1.5, "b"), "t": tensor}
    with unit_keeping(tracer, neighbours("mine")), UnitMode(tracer):
        found = eval(code, vars(mine), given)
    assert plain(found) == eval(code, vars(mine), {"a": 0.75, "b": 1.5, "t": tensor})
    assert unit(found) == result
    assert [e.difference for e in tracer.equations] == equations
    assert not tracer.unknown


@pytest.mark.parametrize(
    ("code", "name"), [("math.lgamma(a)", None), ("math.degrees(a)", "degrees"), ("math.frexp(a)", "frexp")]
)
def test_what_math_does_beyond_that_is_named_or_known(mine: ModuleType, code: str, name: str | None):
    tracer = Tracer()
    with unit_keeping(tracer, [mine]):
        eval(code, vars(mine), {"a": quantity(tracer)})
    assert [text.split(" at ")[0] for text in tracer.unknown] == ([name] if name else [])


def test_the_stand_in_for_float_is_a_float(mine: ModuleType):
    tracer = Tracer()
    with unit_keeping(tracer, [mine]):
        assert mine.is_float(quantity(tracer)) == (True, False, True)
        assert mine.empty() == (0.0, math.inf, 3.0)
        assert mine.converted("0.5") == 0.5
        with pytest.raises(ValueError, match="could not convert"):
            mine.converted("text")


def snapshot(*modules: ModuleType) -> list[dict[str, Any]]:
    return [dict(vars(module)) for module in modules]


class Interruption(BaseException):
    pass


@pytest.mark.parametrize("error", [None, ValueError, KeyboardInterrupt, Interruption])
def test_everything_is_put_back_whatever_happens(mine: ModuleType, error: type[BaseException] | None):
    modules = [math, *neighbours("mine")]
    before = snapshot(*modules)
    expected = pytest.raises(error) if error else contextlib.nullcontext()
    with expected, unit_keeping(Tracer(), modules[1:]):
        assert snapshot(*modules) != before
        assert "float" in vars(mine)
        if error:
            raise error
    after = snapshot(*modules)
    assert [space.keys() for space in after] == [space.keys() for space in before]
    for old, new in zip(before, after, strict=True):
        assert all(new[name] is value for name, value in old.items())
    assert "float" not in vars(mine)


def test_a_module_with_a_float_of_its_own_keeps_it(mine: ModuleType):
    own = vars(mine)["float"] = lambda x: x
    with unit_keeping(Tracer(), [mine]):
        assert vars(mine)["float"] is own
    assert vars(mine)["float"] is own


def test_neighbours_are_the_optimizers_own_modules(mine: ModuleType):
    names = {module.__name__ for module in neighbours("mine")}
    assert {"mine", "mine_too", "torch.optim.adam"} <= names
    assert not {"math", "torch", "numpy", "lossgauge"} & names
    torch_names = [name for name in names if name.startswith("torch")]
    assert all(name.startswith(("torch.optim.", "torch.nn.utils.clip_grad")) for name in torch_names)
    assert len(neighbours("mine", limit=3)) == 3
    assert "nowhere" not in {module.__name__ for module in neighbours("nowhere")}

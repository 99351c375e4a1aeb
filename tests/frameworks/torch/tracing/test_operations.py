"""Every rule against the operation itself: see `oracle`."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any
from unittest import mock

import pytest

from lossgauge.frameworks.torch.tracing.arithmetic import Rule
from lossgauge.frameworks.torch.tracing.call import Call, spread
from lossgauge.frameworks.torch.tracing.operations import RULES
from lossgauge.frameworks.torch.tracing.tags import NUMBER, Tag
from lossgauge.frameworks.torch.tracing.tracer import Tracer
from lossgauge.units.monomial import Monomial
from tests.frameworks.torch.tracing.calls import CALLS, GROUPS
from tests.frameworks.torch.tracing.oracle import Seen, carriers, disagreement, planted, trace

# The library's own root and power round, so that not every bit is the same.
ROUNDED = {"torch.pow(p, 1 / 3)": 1e-14, "torch.norm(a, 3)": 1e-14, "linalg.vector_norm(a, h)": 1e-14}
# Rules under names that torch 2.13 on a CPU gives to no call: spellings of older versions, and other devices.
ELSEWHERE = {
    "_sparse_coo_tensor_unsafe", "alias", "cuda", "eigvalsh", "half", "inv", "matrix_norm", "mod", "multi_dot",
    "pin_memory", "pinv", "radd", "requires_grad", "rmatmul", "rmul", "rtruediv", "solve", "svdvals", "truediv",
    "vecdot", "vector_norm",
}  # fmt: skip


@cache
def rightly(code: str) -> Seen:
    """What the table as it stands says of a call."""
    return trace(code)


@pytest.fixture(scope="module")
def examples() -> dict[str, list[str]]:
    """The examples in which each rule is used."""
    found: dict[str, list[str]] = {}
    for code in CALLS:
        for name in rightly(code).rules:
            found.setdefault(name, []).append(code)
    return found


@pytest.mark.parametrize("group", GROUPS)
def test_the_units_of_every_call_are_right_and_no_more_is_asked_than_needed(group: str):
    assert not {code: text for code in GROUPS[group] if (text := disagreement(code, ROUNDED.get(code, 0.0)))}


def test_every_rule_has_an_example(examples: dict[str, list[str]]):
    assert RULES.keys() - examples.keys() == ELSEWHERE


def altered(change: Callable[[Call, Any], Any]) -> Callable[[Rule], Rule]:
    """A wrong rule made of a right one."""
    return lambda rule: lambda call: change(call, rule(call))


def with_another_unit(call: Call, tags: Any) -> Any:
    extra = Tag(Monomial.of("nothing there"))
    return [tag.times(extra) for tag in tags] if isinstance(tags, list) else tags and tags.times(extra)


def with_an_equation_too_many(call: Call, tags: Any) -> Any:
    for operand in spread(call.args):
        call.unify(call.tracer.tag_of(operand), NUMBER)
    return tags


def without_equations(rule: Rule) -> Rule:
    def silent(call: Call) -> Any:
        aside = replace(call, tracer=Tracer())
        aside.tracer._tags, aside.tracer._alive = call.tracer._tags, call.tracer._alive
        tags = rule(aside)
        call.taken.update(aside.taken)
        return tags

    return silent


WRONG = {
    "unit": altered(with_another_unit),
    "demanding": altered(with_an_equation_too_many),
    "silent": without_equations,
}


def differs(right: Seen, wrong: Seen) -> bool:
    """Whether the wrong rule says anything else of this call than the right one."""
    return [(t.unit, t.kind) for t in right.tags] != [(t.unit, t.kind) for t in wrong.tags] or right.rows != wrong.rows


def uncaught(name: str, rule: Rule, codes: list[str]) -> bool:
    """Whether a wrong rule changes what is said of some example of it, and no example shows that it is wrong."""
    changed = False
    for code in codes:
        right = rightly(code)
        with planted(name, rule):
            if differs(right, trace(code)):
                changed = True
                if disagreement(code, ROUNDED.get(code, 0.0)) is not None:
                    return False
    return changed


@pytest.mark.parametrize("kind", WRONG)
def test_every_planted_wrong_rule_is_caught(kind: str, examples: dict[str, list[str]]):
    missed = [name for name, codes in examples.items() if uncaught(name, WRONG[kind](RULES[name]), codes)]
    assert not missed


@pytest.mark.parametrize(
    ("name", "other"),
    [("add", "mul"), ("mul", "div"), ("sqrt", "square"), ("lerp", "add"), ("clamp", "abs"), ("addcdiv", "addcmul"),
     ("var", "std"), ("where", "isfinite"), ("matmul", "add"), ("reciprocal", "rsqrt"), ("fill", "zero")],
)  # fmt: skip
def test_a_rule_swapped_for_another_is_caught(name: str, other: str, examples: dict[str, list[str]]):
    with planted(name, RULES[other]):
        assert any(disagreement(code) for code in examples[name])


@pytest.mark.parametrize("name", ["linalg_svd", "linalg_eigh", "linalg_qr", "linalg_lu", "var_mean", "svd"])
def test_swapped_parts_of_a_decomposition_are_caught(name: str, examples: dict[str, list[str]]):
    right = RULES[name]

    def turned(call: Call) -> Any:
        tags = right(call)
        assert isinstance(tags, list)
        return [*tags[1:], tags[0]]

    with planted(name, turned):
        assert any(disagreement(code) for code in examples[name])


@pytest.mark.parametrize(
    ("code", "named"),
    [
        ("torch.cumprod(a, 0)", "cumprod"),
        ("torch.lu(A)", "lu"),
        ("a.numpy()", "numpy"),
        ("torch.nan_to_num(a, nan=h)", "an argument of nan_to_num"),
        ("torch.quantile(a, h)", "an argument of quantile"),
        ("F.leaky_relu(a, negative_slope=h)", "an argument of leaky_relu"),
        ("float(a[0])", "float()"),
        ("int(a[0])", "int()"),
        ("a.view(2, 3)[0].mul_(h); a", "mul on a slice"),
        ("a[:3].copy_(b[:3]); a", "copy on a slice"),
    ],
)
def test_what_is_unknown_is_named_and_never_guessed(code: str, named: str):
    assert [text.split(" at ")[0] for text in trace(code).unknown] == [named]
    assert carriers(code)


@pytest.mark.parametrize("code", ["torch.cumprod(torch.rand(3), 0)", "torch.special.bessel_j0(torch.ones(2))"])
def test_an_unknown_operation_on_numbers_is_no_loss(code: str):
    assert not trace(code).unknown


def test_a_slice_is_no_loss_where_its_unit_turns_out_equal():
    assert not trace("a.view(2, 3)[0].mul_(h); torch.lerp(b, b, h); a").unknown
    assert not trace("a[:3].zero_(); a[:3].add_(b[:3]); a").unknown


def test_a_zero_weight_leaves_a_matrix_sum_without_its_first_term():
    assert not trace("torch.addmm(A, B, C, beta=0)").rows
    assert trace("torch.addmm(A, B, C)").rows


def test_an_unknown_operation_on_a_list_is_named():
    with mock.patch.dict(RULES):
        del RULES["cosh"]
        assert [text.split(" at ")[0] for text in trace("torch._foreach_cosh([a, b])").unknown] == ["_foreach_cosh"]


@pytest.mark.parametrize("code", ["torch.from_numpy(np.ones(6)) + a", "a + torch.hann_window(6)"])
def test_tensors_made_elsewhere_are_named(code: str):
    (text,) = trace(code).unknown
    assert text.startswith("a tensor made outside the traced code at ")

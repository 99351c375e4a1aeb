from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch.optim import SGD, Adam

from lossgauge.discovery.discover import discover
from lossgauge.errors import InputError, ObservationError
from lossgauge.frameworks.subject import Problem, Trajectory
from lossgauge.frameworks.torch.catalogue import find, subject_of
from lossgauge.frameworks.torch.subjects import OptimizerSubject

SHORT = Problem(steps=4)


class Bare:
    """An optimizer without a parent class."""

    def __init__(self, params: Any, lr: float = 0.1, eps: float = 1e-8) -> None:
        self.params, self.lr, self.eps = list(params), lr, eps

    def step(self) -> None:
        with torch.no_grad():
            for weight in self.params:
                weight -= self.lr * weight.grad


class Failing(Bare):
    def step(self) -> None:
        raise KeyError("exp_avg")


class Random(Bare):
    def step(self) -> None:
        with torch.no_grad():
            for weight in self.params:
                weight.add_(torch.randn(weight.shape), alpha=-self.lr)


class Meddling(Bare):
    def step(self) -> None:
        torch.set_default_dtype(torch.float16)
        torch.manual_seed(123)
        torch.set_num_threads(2)
        super().step()


def same(left: Trajectory, right: Trajectory) -> bool:
    pairs = [*zip(left.weights, right.weights, strict=True), (left.states, right.states)]
    return all(a.keys() == b.keys() and all(np.array_equal(a[n], b[n]) for n in a) for a, b in pairs)


@pytest.mark.parametrize("name", ["sgd", "adam", "lbfgs", "sparseadam", "muon", "clip_grad_norm_", "cycliclr"])
def test_a_run_repeats_itself_bit_for_bit(name: str):
    subject = find(name)
    first, again = subject.run({}, SHORT), find(name).run({}, SHORT)
    assert same(first, again)
    assert len(first.weights) == SHORT.steps + 1
    assert first.finite
    assert not same(first, subject.run({}, Problem(steps=4, seed=1)))


def test_noise_is_the_same_in_every_run():
    assert same(
        OptimizerSubject("m:Random", Random).run({}, SHORT), OptimizerSubject("m:Random", Random).run({}, SHORT)
    )


@pytest.mark.parametrize(("m", "lr"), [(3, 0.1), (-7, 0.1), (40, 0.3)])
def test_co_scaled_descent_has_the_same_bits_and_a_wrong_exponent_has_not(m: int, lr: float):
    subject, alpha = find("sgd"), 2.0**m
    base = subject.run({"lr": lr}, SHORT)
    right = subject.run({"lr": lr / alpha}, Problem(alpha=alpha, steps=4))
    assert same(base, right)
    assert not same(base, subject.run({"lr": lr}, Problem(alpha=alpha, steps=4)))


@pytest.fixture
def settings() -> Iterator[None]:
    torch.set_num_threads(1)
    before = torch.get_default_dtype(), torch.get_num_threads(), torch.get_rng_state()
    yield
    assert (torch.get_default_dtype(), torch.get_num_threads()) == before[:2]
    assert torch.equal(torch.get_rng_state(), before[2])


@pytest.mark.usefixtures("settings")
@pytest.mark.parametrize("kind", [Bare, Random, Failing, Meddling])
def test_torchs_global_settings_are_put_back(kind: type[Bare]):
    subject = OptimizerSubject("m:Any", kind)
    for work in (subject.run, subject.trace):
        try:
            work({}, SHORT)
        except ObservationError:
            assert kind is Failing


def test_shapes_and_gradients_are_those_an_optimizer_takes():
    def shapes(name: str) -> list[tuple[int, ...]]:
        return [array.shape for array in find(name).run({}, Problem(steps=1)).weights[0].values()]

    assert shapes("adam") == [(4, 3), (5,)]
    assert shapes("muon") == [(4, 3), (3, 5)], "matrices only"
    assert shapes("sparseadam") == [(6, 3), (7, 2)], "sparse gradients only"


def test_closures_are_given_where_they_are_asked_for():
    assert find("lbfgs").run({}, SHORT).evaluations > SHORT.steps
    assert find("adam").run({}, SHORT).evaluations == SHORT.steps


def test_a_run_can_be_interrupted():
    seen: list[int] = []

    def interrupt(step: int, weights: Any) -> bool:
        seen.append(step)
        return step == 1

    assert len(find("sgd").run({}, Problem(steps=9), interrupt).weights) == 3
    assert seen == [0, 1]


def test_an_exploding_run_is_not_finite():
    assert not find("sgd").run({"lr": 1e200}, SHORT).finite


def test_tuples_may_be_given_whole_or_entry_by_entry():
    subject = find("adam")
    whole = subject.run({"betas": (0.5, 0.9)}, SHORT)
    assert same(whole, subject.run({"betas[0]": 0.5, "betas[1]": 0.9}, SHORT))
    assert not same(whole, subject.run({}, SHORT))


def test_other_implementations_are_those_that_run():
    assert set(find("adam").implementations({})) == {"foreach", "fused"}
    assert set(find("adamax").implementations({})) == {"foreach"}
    assert find("adam").implementations({"foreach": True, "fused": True}) == {}
    assert find("lbfgs").implementations({}) == {}


def build_without_default(params: Any, lr: float) -> torch.optim.Optimizer:
    return SGD(params, lr=lr)


@pytest.mark.parametrize(
    ("factory", "given", "kind", "message"),
    [
        (build_without_default, {}, InputError, "m:n refuses its defaults: TypeError: build_without_default() missing"),
        (Adam, {"lr": -1.0}, InputError, "m:n refuses lr=-1.0: ValueError: Invalid learning rate: -1.0"),
        (Adam, {"epss": 1e-8}, InputError, "m:n refuses epss=1e-08: TypeError: "),
        (lambda params: 3, {}, InputError, "m:n returned int, expected an optimizer with a step method"),
        (dict[str, int], {}, InputError, "m:n has no readable signature; give a Python class or a factory function"),
        (Failing, {}, ObservationError, "m:n failed in step 0: KeyError: 'exp_avg'"),
    ],
)
def test_what_does_not_run_is_refused_in_one_line(
    factory: Callable[..., Any], given: dict[str, Any], kind: type[Exception], message: str
):
    for work in ("run", "trace"):
        with pytest.raises(kind) as caught:
            getattr(OptimizerSubject("m:n", factory), work)(given, SHORT)
        assert str(caught.value).startswith(message)
        assert "\n" not in str(caught.value)


def test_an_object_that_is_no_class_is_refused():
    with pytest.raises(InputError, match="None is int, expected an optimizer class or a factory function"):
        subject_of(3)


def test_a_trace_names_units_of_settings_and_states():
    settings = {"lr": 0.1, "eps": 1e-3, "weight_decay": 0.0, "betas": (0.9, 0.99)}
    trace = find("adam").trace({**settings, "foreach": False}, SHORT)
    assert not trace.unknown
    assert {slot: str(unit) for slot, unit in trace.states.items()} == {
        "step": "1", "exp_avg": "L/W", "exp_avg_sq": "L^2/W^2",
    }  # fmt: skip
    named = {name for equation in trace.equations for name in equation.difference.powers}
    assert named == {"lr", "eps", "betas[0]", "betas[1]"}, "what is zero is switched off and carries nothing"


def test_a_traced_run_has_the_bits_of_a_run():
    traced: list[torch.Tensor] = []

    def build(params: Any, lr: float = 0.1) -> torch.optim.Optimizer:
        traced[:] = params
        return SGD(params, lr=lr, momentum=0.9)

    subject = OptimizerSubject("m:n", build)
    last = subject.run({}, SHORT).weights[-1]
    subject.trace({"lr": 0.1}, SHORT)
    assert all(np.array_equal(a, b.detach().numpy()) for a, b in zip(last.values(), traced, strict=True))


class CurvatureStep(torch.optim.Optimizer):
    """p ← p − lr·g/(|h| + eps)^k with h a Hutchinson estimate of the curvature, L/W²: lr carries L^(k−1)."""

    def __init__(self, params: Any, lr: float = 0.1, eps: float = 1e-2, power: float = 1.0) -> None:
        if not 0 < power <= 1:
            raise ValueError(f"power is {power}")
        super().__init__(params, {"lr": lr, "eps": eps, "power": power})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """One step."""
        for group in self.param_groups:
            grads = [p.grad for p in group["params"]]
            signs = [torch.sign(torch.ones_like(g)) for g in grads]
            curvatures = torch.autograd.grad(grads, group["params"], grad_outputs=signs)
            for p, g, h, s in zip(group["params"], grads, curvatures, signs, strict=True):
                p.sub_(g.detach() / ((h * s).abs() + group["eps"]) ** group["power"] * group["lr"])


@pytest.mark.parametrize(("power", "rate", "epsilon"), [(1.0, "0", "1"), (0.5, "-1/2", "1")])
def test_second_order_optimizers_get_gradients_they_can_differentiate(power: float, rate: str, epsilon: str) -> None:
    found = discover(OptimizerSubject("CurvatureStep", CurvatureStep), {"power": power})
    assert found.evidence["infer"]["derived"], found.evidence["infer"]["unknown_operations"]
    assert found.verdict in ("EXACT", "CLOSE")
    assert (str(found.law.exponents["lr"]), str(found.law.exponents["eps"])) == (rate, epsilon)

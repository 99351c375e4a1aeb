"""The elasticity of the step at hand: closed forms, parts that add up, and a live optimizer that stays as it is."""

import copy
import json
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim import SGD, Adam

import lossgauge
from lossgauge.errors import InputError
from lossgauge.records.elasticity import LayerElasticity, StepElasticity, combine_layers
from lossgauge.verbs.laws import law_of_optimizer

torch.set_num_threads(1)


def prepared(name: str, dtype: torch.dtype = torch.float32, steps: int = 4, unit: float = 1.0, **settings: Any):
    """A model and its optimizer just before a step."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 1)).to(dtype)
    optimizer = getattr(torch.optim, name)(model.parameters(), **settings)
    for step in range(steps):
        optimizer.zero_grad()
        x = torch.randn(32, 5, dtype=dtype)
        (unit * (model(x) - x.sum(1, keepdim=True)).square().mean()).backward()
        if step < steps - 1:
            optimizer.step()
    return model, optimizer


def moved(model: nn.Module, optimizer: torch.optim.Optimizer) -> list[torch.Tensor]:
    """Δw of the step, made for real on copies of model and optimizer."""
    twin, stepping = copy.deepcopy((model, optimizer))
    for tensor, live in zip(twin.parameters(), model.parameters(), strict=True):
        tensor.grad = live.grad
    before = [tensor.detach().clone() for tensor in twin.parameters()]
    stepping.step()
    return [after.detach() - start for after, start in zip(twin.parameters(), before, strict=True)]


def test_adam_against_the_closed_form():
    """E is the mean of ε/(√v̂ + ε) over the weights, weighted by the squared update."""
    eps, beta = 1e-3, 0.99
    model, optimizer = prepared("Adam", torch.float64, unit=1e-3, lr=1e-2, eps=eps, betas=(0.9, beta))
    updates = moved(model, optimizer)
    shares = []
    for tensor in model.parameters():
        state = optimizer.state[tensor]
        assert tensor.grad is not None
        square = beta * state["exp_avg_sq"] + (1 - beta) * tensor.grad**2
        root = (square / (1 - beta ** (float(state["step"]) + 1))).sqrt()
        shares.append(eps / (root + eps))
    found = lossgauge.elasticity(optimizer)
    for layer, share, update in zip(found.layers, shares, updates, strict=True):
        assert layer.elasticity == pytest.approx(float((share * update**2).sum() / (update**2).sum()), abs=1e-6)
        assert layer.update_norm == pytest.approx(float(update.norm()), rel=1e-9)
    share, update = (torch.cat([one.reshape(-1) for one in many]) for many in (shares, updates))
    whole = float((share * update**2).sum() / (update**2).sum())
    assert 0.05 < whole < 0.95
    assert found.elasticity == pytest.approx(whole, abs=1e-6)
    assert found.parts["eps"] == pytest.approx(whole, abs=1e-6)
    assert found.parts["weight_decay"] == 0.0


@pytest.mark.parametrize(
    ("name", "settings", "expected"),
    [
        ("SGD", {"lr": 0.1, "momentum": 0.9}, 1.0),
        ("Adam", {"eps": 0.0}, 0.0),
        ("Adam", {"eps": 1e9}, 1.0),
        ("Rprop", {}, 0.0),
    ],
)
def test_the_ends_of_the_scale(name: str, settings: dict[str, Any], expected: float):
    _, optimizer = prepared(name, **settings)
    found = lossgauge.elasticity(optimizer)
    assert found.elasticity == pytest.approx(expected, abs=1e-5)
    assert found.optimizer == f"torch.optim:{name}"


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("SGD", {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.1}),
        ("Adam", {"eps": 1e-3, "weight_decay": 0.1}),
        ("NAdam", {"eps": 1e-3}),
        ("Adagrad", {"eps": 1e-3, "initial_accumulator_value": 0.1}),
        ("RMSprop", {"eps": 1e-2, "momentum": 0.5}),
        ("Adadelta", {"eps": 1e-4}),
    ],
)
def test_the_parts_add_up_per_layer_and_over_all(name: str, settings: dict[str, Any]):
    _, optimizer = prepared(name, unit=1e-3, **settings)
    found = lossgauge.elasticity(optimizer)
    assert found.elasticity is not None
    assert sum(found.parts.values()) == pytest.approx(found.elasticity, abs=1e-5)
    assert len(found.layers) == 4
    for layer in found.layers:
        assert layer.elasticity is not None
        assert sum(layer.parts.values()) == pytest.approx(layer.elasticity, abs=1e-5)
    assert any(abs(part) > 0.01 for part in found.parts.values())


@pytest.mark.parametrize(
    ("name", "settings"),
    [("Adam", {"foreach": True}), ("Adam", {"fused": True}), ("SGD", {"lr": 0.1, "momentum": 0.9}), ("ASGD", {})],
)
def test_the_live_optimizer_the_weights_and_all_randomness_stay_as_they_are(name: str, settings: dict[str, Any]):
    model, optimizer = prepared(name, **settings)
    calls: list[str] = []
    optimizer.register_step_pre_hook(lambda *_: calls.append("a step"))
    tensors = [*model.parameters(), *(tensor.grad for tensor in model.parameters() if tensor.grad is not None)]
    tensors += [value for state in optimizer.state.values() for value in state.values() if torch.is_tensor(value)]
    before = [(tensor, tensor.detach().clone(), tensor._version) for tensor in tensors]
    groups = copy.deepcopy([{n: v for n, v in group.items() if n != "params"} for group in optimizer.param_groups])
    random = torch.get_rng_state()
    assert lossgauge.elasticity(optimizer).elasticity is not None
    assert torch.equal(torch.get_rng_state(), random)
    assert all(torch.equal(tensor, copied) and tensor._version == version for tensor, copied, version in before)
    assert [{n: v for n, v in group.items() if n != "params"} for group in optimizer.param_groups] == groups
    assert not calls
    optimizer.step()
    assert calls == ["a step"]
    assert not torch.equal(before[0][0], before[0][1]), "the comparison would have noticed a step"


def test_layers_have_their_names():
    model, optimizer = prepared("Adam")
    names = [layer.name for layer in lossgauge.elasticity(optimizer).layers]
    assert names == [name for name, _ in model.named_parameters()]


def test_a_wrapper_is_looked_through_and_a_layer_without_gradient_left_out():
    model, optimizer = prepared("Adam")
    next(iter(model.parameters())).grad = None

    class Wrapped:
        def __init__(self, inner: Any) -> None:
            self.optimizer = inner

    assert len(lossgauge.elasticity(Wrapped(optimizer)).layers) == 3


def test_a_large_tensor_is_estimated_from_some_of_its_elements():
    torch.manual_seed(0)
    weight = nn.Parameter(torch.randn(300, 200))
    optimizer = torch.optim.SGD([weight], lr=0.1)
    weight.grad = torch.randn(300, 200)
    (layer,) = lossgauge.elasticity(optimizer).layers
    assert layer.update_norm == pytest.approx(0.1 * float(weight.grad.norm()), rel=0.05)


def test_the_record_is_plain_data():
    _, optimizer = prepared("Adam")
    plain = json.loads(json.dumps(lossgauge.elasticity(optimizer).to_dict(), allow_nan=False))
    assert plain["schema"] == "lossgauge.elasticity/1"
    assert set(plain["layers"][0]) == {
        "name", "elasticity", "instant", "parts", "update_norm", "gradient_norm", "estimated"
    }  # fmt: skip


def test_layers_count_by_what_they_move():
    layers = (
        LayerElasticity("still", None, None, {}, 0.0),
        LayerElasticity("small", 1.0, 1.0, {"eps": 1.0}, 1e-200),
        LayerElasticity("large", 0.0, 0.5, {"eps": 0.0}, 2e-200),
    )
    assert combine_layers(layers) == (pytest.approx(0.2), pytest.approx(0.6), {"eps": pytest.approx(0.2)})
    assert combine_layers((*layers, LayerElasticity("unknown"))) == (None, None, {})
    assert combine_layers(layers[:1]) == (None, None, {})


@pytest.mark.parametrize(
    ("optimizer", "message"),
    [
        (lambda: 3, "the optimizer is int 3, expected one of torch"),
        (lambda: torch.optim.Adam([torch.ones(1, requires_grad=True)]), "none of the 1 tensors .* after backward"),
        (lambda: torch.optim.LBFGS([torch.ones(1, requires_grad=True)]), "computes its gradients within the step"),
    ],
)
def test_what_has_no_step_to_look_at_is_refused(optimizer: Any, message: str):
    with pytest.raises(InputError, match=message):
        lossgauge.elasticity(optimizer())


class Logging(Adam):
    def step(self, closure: Any = None) -> Any:
        print("a step")
        return super().step(closure)


class Loose(SGD):
    """Divides by the length of the gradient and a constant, so that its law is broken and E small."""

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        for group in self.param_groups:
            for weight in group["params"]:
                weight.add_(weight.grad / (weight.grad.norm() + 1e-4), alpha=-group["lr"])


def stepped(kind: Any) -> StepElasticity:
    weight = torch.nn.Parameter(torch.ones(4))
    optimizer = kind([weight], lr=0.1)
    weight.square().sum().backward()
    return lossgauge.elasticity(
        optimizer, law_of=lambda live: law_of_optimizer(Adam([weight]) if kind is Logging else live)
    )


def test_why_there_is_none_is_said():
    found = stepped(Logging)
    assert (found.elasticity, found.layers[0].update_norm) == (None, None)
    (note,) = found.notes
    assert note.startswith("no step was made on copies of ")
    assert "its code uses print()" in note


def test_a_small_elasticity_has_its_carrier_too():
    found = stepped(Loose)
    assert found.verdict == "BROKEN"
    assert found.elasticity == pytest.approx(1e-4 / (4 + 1e-4), rel=1e-3)
    assert sum(found.parts.values()) == pytest.approx(found.elasticity, rel=1e-9)

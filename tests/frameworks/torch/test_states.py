import numpy as np
import torch
from torch.optim import SGD, Adam

from lossgauge.frameworks.torch.states import read_states, state_units
from lossgauge.frameworks.torch.tracing.quantity import Quantity
from lossgauge.frameworks.torch.tracing.tags import LOST, Tag
from lossgauge.frameworks.torch.tracing.tracer import Tracer
from lossgauge.units.monomial import GRADIENT, Monomial


def stepped(kind: type[torch.optim.Optimizer], **settings: float) -> torch.optim.Optimizer:
    weights = [torch.nn.Parameter(torch.ones(3)), torch.nn.Parameter(torch.ones(2, 2))]
    optimizer = kind(weights, **settings)  # pyright: ignore[reportArgumentType]
    for weight in weights:
        weight.grad = torch.full_like(weight, 0.5)
    optimizer.step()
    return optimizer


def test_every_slot_is_read_by_tensor_and_name():
    found = read_states(stepped(Adam), ["a", "b"])
    assert set(found) == {f"{name}/{slot}" for name in "ab" for slot in ("step", "exp_avg", "exp_avg_sq")}
    assert all(value.dtype == np.float64 for value in found.values())
    assert found["b/exp_avg"].shape == (2, 2)
    assert found["a/exp_avg"].tolist() == [float(np.float32(0.05))] * 3


def test_what_is_read_is_a_copy():
    optimizer = stepped(SGD, lr=0.1, momentum=0.9)
    found = read_states(optimizer, ["a", "b"])
    optimizer.state[optimizer.param_groups[0]["params"][0]]["momentum_buffer"].zero_()
    assert found["a/momentum_buffer"].tolist() == [0.5, 0.5, 0.5]


def test_sparse_states_and_numbers_are_read_and_texts_left_out():
    optimizer = stepped(SGD, lr=0.1)
    weight = optimizer.param_groups[0]["params"][0]
    rows = torch.tensor([[1]])
    history = torch.sparse_coo_tensor(rows, torch.tensor([2.0]), (3,), check_invariants=True)
    optimizer.state[weight] = {"history": history, "norm": 3.5, "mode": "rel", "count": 2, "places": torch.arange(2)}
    found = read_states(optimizer, ["a", "b"])
    assert {name: value.tolist() for name, value in found.items()} == {"a/history": [0.0, 2.0, 0.0], "a/norm": 3.5}


def test_a_state_of_no_parameter_is_global():
    optimizer = stepped(SGD, lr=0.1)
    optimizer.state[torch.ones(1)] = {"radius": 2.0}
    assert "global/radius" in read_states(optimizer, ["a", "b"])


def test_an_object_without_groups_has_no_states():
    assert read_states(object(), []) == {}
    assert state_units(Tracer(), object()) == {}


def test_units_are_read_where_they_were_not_lost():
    tracer, optimizer = Tracer(), stepped(Adam)
    gradient = Tag(Monomial(GRADIENT))
    for slots in optimizer.state.values():
        tracer.set_tag(slots["exp_avg"], gradient)
        tracer.set_tag(slots["exp_avg_sq"], LOST)
        tracer.set_tag(slots["step"], Tag())
        slots["radius"] = Quantity(0.5, gradient.times(gradient), tracer)
    units = state_units(tracer, optimizer)
    assert {slot: str(unit) for slot, unit in units.items()} == {"exp_avg": "L/W", "step": "1", "radius": "L^2/W^2"}

"""Statement 9: the asker's own case."""

import copy
import math
from typing import Any

import pytest
import torch

from lossgauge.demonstration.asker import judge_asker, observe
from lossgauge.frameworks.torch.demonstrations import asker
from lossgauge.frameworks.torch.demonstrations.asker import ATTEMPTS, Attempt, follow, measure_asker


@pytest.fixture(scope="module")
def evidence() -> dict[str, Any]:
    # A third of the steps, for speed; tests/verbs/test_thread.py runs the whole.
    return measure_asker(steps=450)


def test_every_part_of_the_story_is_seen(evidence: dict[str, Any]):
    assert all(observe(evidence).values()), observe(evidence)
    statement = judge_asker(evidence)
    assert statement.holds is True
    assert statement.verdict == "true, and no mistake: it is ε"
    assert 0 < evidence["rounding"] < 0.1


def test_the_ratios_rise_from_layer_to_layer(evidence: dict[str, Any]):
    ratios = [layer["untouched"] for layer in evidence["layers"]]
    assert ratios == sorted(ratios)
    assert len(ratios) == 7


def test_every_part_can_be_missing(evidence: dict[str, Any]):
    """Each observation turns false when its number is spoiled, and takes the verdict with it."""
    spoiled: dict[str, Any] = {
        "stuck as it was": lambda e: e["runs"]["as it was"].update(final=0.01),
        "loss × 1e5 cures": lambda e: e["runs"]["loss × 1e5"].update(final=math.nan),
        "ε / 1e5 cures": lambda e: e["runs"]["ε / 1e5"].update(final=0.9),
        "loss × 2**17 equals ε / 2**17 by bits": lambda e: e.update(bits=False),
        "a higher learning rate does not cure": lambda e: e["runs"]["lr × 10"].update(final=0.01),
        "the highest diverges": lambda e: e["runs"]["lr × 1000"].update(late=0.5),
        "ε dominates the early layers": lambda e: e["layers"][0].update(untouched=10.0),
        "ε does not dominate the last": lambda e: e["layers"][-1].update(untouched=0.1),
    }
    assert set(spoiled) == set(observe(evidence))
    for part, spoil in spoiled.items():
        other = copy.deepcopy(evidence)
        spoil(other)
        assert [name for name, seen in observe(other).items() if not seen] == [part]
        assert judge_asker(other).verdict == f"not confirmed: {part}"
        assert judge_asker(other).holds is False


def test_an_epsilon_that_is_not_co_scaled_is_caught():
    attempts = {**ATTEMPTS, "ε / 2**17": Attempt(eps=1e-8 / 2**16)}
    assert measure_asker(attempts, steps=5)["bits"] is False
    assert measure_asker(steps=5)["bits"] is True


def test_joining_the_weights_keeps_the_bits():
    joined = follow(Attempt(alpha=1e5), steps=20)
    points, wanted = asker._data()
    model = asker._sigmoid_network()
    optimizer = torch.optim.NAdam(model.parameters(), lr=asker.RATE, eps=1e-8)
    for step in range(20):
        optimizer.zero_grad()
        error = ((model(points) - wanted) ** 2).mean()
        assert error.detach() == joined.losses[step]
        (1e5 * (asker.UNIT * error)).backward()
        optimizer.step()
    assert torch.equal(torch.cat([tensor.detach().reshape(-1) for tensor in model.parameters()]), joined.path[1])


def test_random_numbers_of_the_caller_are_left_alone():
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    follow(Attempt(), steps=1)
    assert torch.equal(torch.rand(2), expected)

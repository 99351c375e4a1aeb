"""Optimizers that take norms, means and products of whole weight tensors: stacked, with what a plain loop does."""

import math
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch

from lossgauge.frameworks.torch.stacking import batching, engine, tensorwise
from lossgauge.frameworks.torch.stacking.engine import run_settings
from lossgauge.frameworks.torch.stacking.layout import Layout
from lossgauge.frameworks.torch.stacking.tensorwise import acts_tensorwise
from lossgauge.frameworks.torch.stacking.workloads import load_material
from lossgauge.records.sweep import Setting, Workload
from tests.frameworks.torch.stacking.workshop import HERE, SMALL, without_biases, workload

LAYOUT = Layout.of(load_material(SMALL).model(0, torch.float32))
MATRICES = Layout.of(without_biases())
LAMB, LARS = "tests.zoo.trust_ratio:Lamb", "tests.zoo.trust_ratio:LarsGuarded"
ADAFACTOR, MUON = "torch.optim:Adafactor", "torch.optim:Muon"
KINDS = [
    LAMB, LARS, ADAFACTOR, "tests.zoo.trust_ratio:LarsWhere", "tests.zoo.matrices:FactoredMoment",
    "tests.zoo.matrices:SpectralUnit", "tests.zoo.matrices:NewtonSchulz", "tests.zoo.sequences:AngleRate",
    f"{HERE}:Centred", f"{HERE}:ByShape",
]  # fmt: skip


def rates(target: str, **extra: Any) -> list[Setting]:
    return [Setting(target, {"lr": lr, **extra}, seed=k % 2) for k, lr in enumerate((0.01, 0.02, 0.03, 0.01, 0.05))]


@pytest.mark.parametrize("target", KINDS)
def test_what_works_tensor_by_tensor_does_the_same_on_stacks(target):
    assert acts_tensorwise(rates(target), LAYOUT, torch.float32, numbers=True)


def test_half_precision_inside_an_optimizer_is_rounded_as_in_the_plain_loop():
    settings = rates(MUON)
    assert acts_tensorwise(settings, MATRICES, torch.float32, numbers=True)


@pytest.mark.parametrize(("target", "numbers"), [
    (f"{HERE}:Noisy", True), (f"{HERE}:Leaking", True), ("torch.optim:LBFGS", False),
    ("tests.zoo.matrices:OneSidedRoot", True), ("tests.zoo.styles:ForeachAdam", True),
])  # fmt: skip
def test_what_does_not_is_refused(target, numbers):
    assert not acts_tensorwise(rates(target), LAYOUT, torch.float32, numbers)


def test_numbers_read_past_their_operators_are_accepted_where_all_are_equal():
    assert acts_tensorwise([Setting(f"{HERE}:Leaking", {"lr": 0.01})], LAYOUT, torch.float32, numbers=False)


@pytest.mark.parametrize("violation", ["norms of all replicas", "rounded numbers", "a neighbour's numbers"])
def test_the_trial_notices_a_mistake(violation, monkeypatch: pytest.MonkeyPatch):
    assert acts_tensorwise(rates(LAMB), LAYOUT, torch.float32, numbers=True)
    right = batching.Batching._stack

    def rounded(self: Any, value: Any, rank: int, dtype: torch.dtype) -> torch.Tensor:
        found = right(self, value, rank, dtype)
        return found.bfloat16().to(dtype) if isinstance(value, float) else found

    def rolled(self: Any, value: Any, rank: int, dtype: torch.dtype) -> torch.Tensor:
        found = right(self, value, rank, dtype)
        return found.roll(1, 0) if isinstance(value, float) else found

    if violation == "norms of all replicas":
        monkeypatch.setattr(batching, "POINTWISE", batching.POINTWISE | {"norm"})
    else:
        monkeypatch.setattr(batching.Batching, "_stack", rounded if violation == "rounded numbers" else rolled)
    assert not acts_tensorwise(rates(LAMB), LAYOUT, torch.float32, numbers=True)


def test_numbers_that_depend_on_the_neighbours_are_noticed(monkeypatch: pytest.MonkeyPatch):
    right = batching.Batching._number

    def uneven(self: batching.Batching, name: str, tensor: torch.Tensor) -> Any:
        found = right(self, name, tensor)
        return found + 1e-6 * self.replicas if name == "item" else found

    monkeypatch.setattr(tensorwise, "CLOSE", {torch.float64: 1.0, torch.float32: 1.0})
    assert acts_tensorwise(rates(LARS), LAYOUT, torch.float32, numbers=True)
    monkeypatch.setattr(batching.Batching, "_number", uneven)
    assert not acts_tensorwise(rates(LARS), LAYOUT, torch.float32, numbers=True)


@pytest.mark.parametrize(("target", "model"), [(LAMB, SMALL.model), (ADAFACTOR, SMALL.model), (MUON, "without_biases")])
def test_a_setting_has_the_same_bits_anywhere_and_in_any_chunk(target, model):
    work = workload(model, steps=12)
    settings = [*rates(target), *rates(target, weight_decay=0.2)]
    expected = run_settings(work, settings, tier="stacked")
    assert {outcome.engine for outcome in expected} == {"stacked"}
    assert run_settings(work, settings[::-1], tier="stacked", chunk=3) == expected[::-1]
    assert run_settings(work, settings[2:3], tier="stacked") == expected[2:3]
    assert len({outcome.digest for outcome in expected}) > 5
    plain = run_settings(work, settings, tier="serial")
    for fast, slow in zip(expected, plain, strict=True):
        assert np.allclose(fast.curve, slow.curve, rtol=1e-5)
        assert slow.engine == "serial"


@pytest.mark.parametrize(("target", "model", "chosen", "exponents"), [
    (LAMB, SMALL.model, dict(eps=2.0**-16, weight_decay=2.0**-6), dict(eps=1)),
    (LARS, SMALL.model, dict(eps=2.0**-16, weight_decay=2.0**-6), dict(eps=1, weight_decay=1)),
    (MUON, "without_biases", dict(eps=2.0**-4, weight_decay=2.0**-6), dict(eps=1)),
])  # fmt: skip
def test_co_scaled_powers_of_two_have_the_same_bits_and_others_have_not(target, model, chosen, exponents):
    work = workload(model, steps=12)
    given = {"lr": 2.0**-6, **chosen}
    settings = [
        Setting(target, {**given, **{h: given[h] * 2.0 ** (m * k) for h, k in exponents.items()}}, Fraction(2) ** m)
        for m in (0, 9, -9)
    ]
    violated = [replace(settings[1], hyperparameters=given)]
    same, *others = [outcome.digest for outcome in run_settings(work, settings, tier="stacked")]
    assert same
    assert others == [same, same]
    assert run_settings(work, violated, tier="stacked")[0].digest not in ("", same)


@pytest.mark.parametrize("target", [LAMB, LARS])
def test_what_diverges_leaves_its_neighbours_alone(target):
    """Both ask whether a norm is zero: that of a replica which is no more must not be asked."""
    good = [Setting(target, {"lr": 0.01 * k}) for k in (1, 2, 3)]
    bad = [Setting(target, {"lr": rate}) for rate in (1e30, 3e38)]
    outcomes = run_settings(SMALL, [good[0], bad[0], good[1], bad[1], good[2]], tier="stacked")
    assert [outcomes[k] for k in (0, 2, 4)] == run_settings(SMALL, good, tier="stacked")
    assert {outcome.engine for outcome in outcomes} == {"stacked"}
    for setting, outcome in zip(bad, (outcomes[1], outcomes[3]), strict=True):
        plain = run_settings(SMALL, [setting], tier="serial")[0]
        assert (outcome.status, outcome.diverged_at) == (plain.status, plain.diverged_at) != ("finished", None)


def test_replicas_that_disagree_on_a_decision_are_trained_apart(monkeypatch: pytest.MonkeyPatch):
    work = replace(SMALL, steps=30)
    settings = [Setting(f"{HERE}:WithinLimit", {"lr": lr, "limit": 0.6}) for lr in (1e-4, 0.05, 0.1, 2e-4)]
    apart: list[int] = []
    chunk = engine.Chunk
    monkeypatch.setattr(engine, "Chunk", lambda m, chosen, *rest: apart.append(len(chosen)) or chunk(m, chosen, *rest))
    told: list[int] = []
    outcomes = run_settings(work, settings, tier="stacked", progress=told.append)
    assert apart[0] == 4
    assert len(apart) > 1
    assert sum(told) == 4 * 30
    assert {outcome.engine for outcome in outcomes} == {"stacked"}
    for outcome, plain in zip(outcomes, run_settings(work, settings, tier="serial"), strict=True):
        assert np.allclose(outcome.curve, plain.curve, rtol=1e-5)


@pytest.mark.parametrize(("target", "model"), [(ADAFACTOR, SMALL.model), (MUON, "without_biases")])
def test_one_bad_setting_fails_alone(target, model):
    settings = [Setting(target, {"lr": 0.01}), Setting(target, {"lr": -1.0}), Setting(target, {"lr": 0.02})]
    outcomes = run_settings(workload(model), settings, tier="stacked")
    assert [outcome.status for outcome in outcomes] == ["finished", "failed", "finished"]
    assert [outcome.engine for outcome in outcomes] == ["stacked", "serial", "stacked"]
    assert outcomes[0] == run_settings(workload(model), settings[:1], tier="stacked")[0]


def test_tuples_of_numbers_divide_a_group():
    settings = [Setting(LAMB, {"lr": 0.01 * k, "betas": (0.9, b)}) for k in (1, 2) for b in (0.9, 0.99)]
    outcomes = run_settings(SMALL, settings, tier="stacked")
    assert {outcome.engine for outcome in outcomes} == {"stacked"}
    for setting, outcome in zip(settings, outcomes, strict=True):
        assert run_settings(SMALL, [setting], tier="stacked") == [outcome]
        assert math.isclose(
            run_settings(SMALL, [setting], tier="serial")[0].final_loss, outcome.final_loss, rel_tol=1e-5
        )


def test_heavy_models_are_left_to_the_plain_loop_unless_asked():
    work = Workload("mlp-784-256-256-10", "cross-entropy", "classification", 1)
    assert run_settings(work, rates(LARS)[:1])[0].engine == "serial"


def test_names_of_other_modules_are_put_back():
    import torch.optim._adafactor as module

    run_settings(replace(SMALL, steps=2), rates(ADAFACTOR)[:2], tier="stacked")
    assert not {"max", "min", "float"} & set(vars(module))

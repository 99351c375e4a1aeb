"""What the engine promises: the bits of a setting depend on nothing but the setting, whatever runs beside it."""

import math
import random
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch

from lossgauge.errors import InputError
from lossgauge.frameworks.torch.stacking.engine import run_settings
from lossgauge.frameworks.torch.stacking.native import compiler, training
from lossgauge.records.sweep import Outcome, Setting, Workload
from tests.frameworks.torch.stacking.laws import LAWS
from tests.frameworks.torch.stacking.workshop import HERE, SMALL, workload

TIERS = ("compiled", "stacked")
FAST = [
    pytest.param("compiled", marks=pytest.mark.skipif(compiler.compiler() is None, reason="no C compiler")), "stacked"
]  # fmt: skip
ADAM = "torch.optim:Adam"


def digests(settings: list[Setting], tier: str, work: Workload = SMALL, chunk: int | None = None) -> list[str]:
    outcomes = run_settings(work, settings, tier=tier, chunk=chunk)
    assert {outcome.engine for outcome in outcomes} == {tier}
    assert all(outcome.digest for outcome in outcomes)
    return [outcome.digest for outcome in outcomes]


@pytest.mark.parametrize("tier", FAST)
@pytest.mark.parametrize("law", LAWS)
def test_co_scaled_powers_of_two_have_the_same_bits_and_others_have_not(law, tier):
    name, chosen, exponents = LAWS[law]
    settings = [
        Setting(
            f"torch.optim:{name}",
            {**chosen, **{h: chosen[h] * 2.0 ** (m * k) for h, k in exponents.items()}},
            Fraction(2) ** m,
            seed=1,
        )
        for m in (0, 9, -9)
    ]
    violated = [replace(settings[1], hyperparameters={**settings[1].hyperparameters, h: chosen[h]}) for h in exponents]
    same, *others = digests(settings, tier)
    assert others == [same, same]
    assert same not in [outcome.digest for outcome in run_settings(SMALL, violated, tier=tier)]


@pytest.mark.parametrize("tier", FAST)
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_a_setting_has_the_same_bits_anywhere_and_in_any_chunk(tier, precision):
    generator = random.Random(3)
    settings = [
        Setting(ADAM, {"lr": 1e-3 * (1 + k % 7), "weight_decay": 0.1}, Fraction(k % 3 + 1), k % 4, precision)
        for k in range(23)
    ]  # fmt: skip
    expected = digests(settings, tier)
    for chunk in (1, 2, 5, 16):
        places = generator.sample(range(23), 11)
        assert digests([settings[place] for place in places], tier, chunk=chunk) == [expected[k] for k in places]
    one_ulp = replace(settings[4], hyperparameters={"lr": math.nextafter(5e-3, 1), "weight_decay": 0.1})
    same_rate = np.float32(math.nextafter(5e-3, 1)) == np.float32(5e-3)
    if precision == "float64" or not same_rate:
        assert digests([one_ulp], tier) != [expected[4]]
    other = replace(settings[4], hyperparameters={"lr": 5.00001e-3, "weight_decay": 0.1})
    assert digests([other], tier)[0] not in expected


def test_autocast_is_stacked_with_the_same_bits_anywhere():
    settings = [Setting(ADAM, {"lr": 1e-3 * k}, precision="bfloat16") for k in range(1, 6)]
    expected = digests(settings, "stacked")
    assert digests(settings[2:3], "stacked") == expected[2:3]
    assert digests(settings[::-1], "stacked", chunk=2) == expected[::-1]


@pytest.mark.parametrize("tier", FAST)
@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "NAdam", "Adamax", "RMSprop", "Adagrad", "RAdam"])
def test_losses_are_those_of_the_plain_loop_up_to_rounding(name, tier):
    """Judged against float64 on a smooth network: both are as far from it as single precision is."""
    work = replace(SMALL, steps=10)
    setting = Setting(f"torch.optim:{name}", {"lr": 0.01}, Fraction(1, 3), seed=2)
    fast, plain = (np.array(run_settings(work, [setting], tier=t)[0].curve) for t in (tier, "serial"))
    exact = np.array(run_settings(work, [replace(setting, precision="float64")], tier="serial")[0].curve)
    assert np.abs(plain / exact - 1).max() < 1e-6
    assert np.abs(fast / exact - 1).max() < max(8e-7, 3 * np.abs(plain / exact - 1).max())
    shifted = replace(setting, hyperparameters={"lr": 0.010001})
    moved = np.array(run_settings(work, [shifted], tier=tier)[0].curve)
    assert np.abs(moved / exact - 1).max() > 1e-6  # a rate wrong by a ten-thousandth would be seen


@pytest.mark.parametrize("tier", FAST)
def test_what_diverges_stops_at_its_step_and_leaves_its_neighbours_alone(tier):
    good = [Setting("torch.optim:SGD", {"lr": 0.01 * k}) for k in (1, 2, 3)]
    bad = [Setting("torch.optim:SGD", {"lr": rate}) for rate in (1e9, 1e20, 1e38)]
    mixed = [good[0], bad[0], good[1], bad[1], bad[2], good[2]]
    outcomes = run_settings(SMALL, mixed, tier=tier)
    assert [outcomes[k].digest for k in (0, 2, 5)] == digests(good, tier)
    for setting, outcome in zip(mixed, outcomes, strict=True):
        plain = run_settings(SMALL, [setting], tier="serial")[0]
        assert (outcome.status, outcome.diverged_at) == (plain.status, plain.diverged_at)
        assert np.allclose(outcome.curve, plain.curve, rtol=1e-4, equal_nan=True)
    assert [outcome.status for outcome in outcomes].count("diverged") == 3
    assert {outcome.engine for outcome in outcomes} == {tier}


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("target", ["torch.optim:LBFGS", f"{HERE}:Noisy", "tests.zoo.styles:DataAttributes"])
def test_what_cannot_be_stacked_runs_serially_and_says_so(target, tier):
    work = replace(SMALL, steps=3)
    settings = [Setting(target, {"lr": 0.01}), Setting(target, {"lr": 0.02}, seed=1)]
    outcomes = run_settings(work, settings, tier=tier)
    assert {outcome.engine for outcome in outcomes} == {"serial"}
    alone = run_settings(work, settings, tier="serial")
    assert [replace(outcome, message="") for outcome in outcomes] == alone
    reasons = {outcome.message for outcome in outcomes}
    assert len(reasons) == 1
    assert bool(reasons.pop()) is (tier != "serial")
    assert {outcome.status for outcome in outcomes} == {"finished"}


@pytest.mark.parametrize("tier", FAST)
@pytest.mark.parametrize("target", ["KeepsGradient", "Thresholded"])
def test_third_party_optimizers_are_stacked(target, tier):
    extra = {"KeepsGradient": "blend", "Thresholded": "power"}[target]
    settings = [Setting(f"{HERE}:{target}", {"lr": 0.01, extra: x}) for x in (0.5, 0.8, 1.0)]
    outcomes = run_settings(SMALL, settings, tier=tier)
    plain = run_settings(SMALL, settings, tier="serial")
    assert {outcome.engine for outcome in outcomes} == {tier}
    for fast, slow in zip(outcomes, plain, strict=True):
        assert np.allclose(fast.curve, slow.curve, rtol=2e-5)


@pytest.mark.parametrize("tier", FAST)
def test_outcomes_come_in_the_order_of_the_settings_and_one_bad_setting_fails_alone(tier):
    settings = [
        Setting(ADAM, {"lr": 0.01}), Setting(ADAM, {"lr": -1.0}), Setting("torch.optim:SGD", {"lr": 0.1}),
        Setting(ADAM, {"lr": 0.02}), Setting(ADAM, {"lr": 0.03, "betas": (0.9, 1.5)}),
        Setting(ADAM, {"lr": 0.01, "momentum": 0.9}), Setting("torch.optim:SGD", {"lr": 0.1}, precision="float64"),
    ]  # fmt: skip
    outcomes = run_settings(SMALL, settings, tier=tier)
    assert [outcome.status for outcome in outcomes] == [
        "finished", "failed", "finished", "finished", "failed", "failed", "finished"
    ]  # fmt: skip
    assert "learning rate: -1.0" in outcomes[1].message
    assert "beta" in outcomes[4].message
    assert "momentum" in outcomes[5].message
    for setting, outcome in zip(settings, outcomes, strict=True):
        if outcome.status == "finished":
            assert run_settings(SMALL, [setting], tier=tier) == [outcome]


@pytest.mark.parametrize(("model", "engine"), [
    ("with_batch_norm", "stacked"), ("with_dropout", "serial"), ("with_branch", "serial"), ("partly_frozen", "stacked"),
])  # fmt: skip
def test_models_with_more_than_weights(model, engine):
    work = workload(model, steps=8)
    settings = [Setting(ADAM, {"lr": 0.01}, seed=k) for k in range(3)]
    outcomes = run_settings(work, settings)
    plain = run_settings(work, settings, tier="serial")
    assert {outcome.engine for outcome in outcomes} == {engine}
    for fast, slow in zip(outcomes, plain, strict=True):
        assert np.allclose(fast.curve, slow.curve, rtol=1e-4)
        assert (fast.digest == slow.digest) is (engine == "serial")


def test_batches_of_different_sizes_are_stacked():
    work = workload(data="uneven_data", steps=9)
    settings = [Setting(ADAM, {"lr": 0.01}, seed=k) for k in range(3)]
    for fast, slow in zip(run_settings(work, settings), run_settings(work, settings, tier="serial"), strict=True):
        assert fast.engine == "stacked"
        assert np.allclose(fast.curve, slow.curve, rtol=1e-5)


@pytest.mark.parametrize(("model", "loss", "engine", "reason"), [
    ("with_dropout", "mse", "serial", "the model: it draws random numbers"),
    ("with_branch", "mse", "serial", "the model: its code branches on the numbers of a tensor"),
    ("with_batch_norm", "mse", "stacked", "the model: buffers or frozen weights"),
    ("mlp-16-8-1", "mse", "compiled", ""),
])  # fmt: skip
def test_it_says_why_a_model_does_not_go_the_fastest_way(model, loss, engine, reason):
    (outcome,) = run_settings(workload(model, loss), [Setting(ADAM)])
    assert (outcome.engine, outcome.message) == (engine, reason)


def test_without_a_compiler_it_is_stacked_and_says_so(monkeypatch: pytest.MonkeyPatch):
    for function in (compiler.compiler, compiler.library, training.native_model, training.native_refusal):
        function.cache_clear()
    monkeypatch.setenv("LOSSGAUGE_COMPILER", "none")
    try:
        outcomes = run_settings(SMALL, [Setting(ADAM)], tier="compiled")
        assert [(outcome.engine, outcome.message) for outcome in outcomes] == [("stacked", "there is no C compiler")]
    finally:
        for function in (compiler.compiler, training.native_model, training.native_refusal):
            function.cache_clear()


@pytest.mark.parametrize("tier", [*TIERS, "serial"])
def test_every_step_is_told_once_and_the_generator_is_left_alone(tier):
    told: list[int] = []
    settings = [Setting(ADAM, {"lr": 0.01}), Setting("torch.optim:SGD", {"lr": 1e30}), Setting(f"{HERE}:Centred")]
    torch.manual_seed(9)
    before = torch.get_rng_state()
    run_settings(SMALL, settings, tier=tier, progress=told.append)
    assert sum(told) == 3 * SMALL.steps
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("options", [dict(tier="fastest"), dict(chunk=0)])
def test_bad_options_are_said_in_one_line(options):
    with pytest.raises(InputError, match="expected"):
        run_settings(SMALL, [Setting(ADAM)], **options)


def test_nothing_to_do():
    assert run_settings(SMALL, []) == []


def test_outcomes_are_plain(monkeypatch: pytest.MonkeyPatch):
    (outcome,) = run_settings(SMALL, [Setting(ADAM)])
    assert isinstance(outcome, Outcome)
    assert all(type(value) is float for value in (outcome.final_loss, *outcome.curve))

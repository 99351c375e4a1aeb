"""Training on an accelerator. What it notes and when is tested on the processor; what a GPU does, on a GPU."""

import contextlib
import math
import random
from dataclasses import replace
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

from lossgauge.errors import InputError
from lossgauge.frameworks.torch.stacking import devices, engine, on_device
from lossgauge.frameworks.torch.stacking.chunks import Chunk
from lossgauge.frameworks.torch.stacking.devices import SWITCHES, accelerator, repeatable
from lossgauge.frameworks.torch.stacking.engine import run_settings, runs_on_device
from lossgauge.frameworks.torch.stacking.layout import Layout
from lossgauge.frameworks.torch.stacking.on_device import replicas_on_device, train_on_device
from lossgauge.frameworks.torch.stacking.recording import record
from lossgauge.frameworks.torch.stacking.updates import StackedUpdate
from lossgauge.frameworks.torch.stacking.workloads import load_material
from lossgauge.records.sweep import PRECISIONS, Outcome, Setting, Workload
from tests.frameworks.torch.stacking.laws import LAWS
from tests.frameworks.torch.stacking.workshop import HERE, SMALL, workload

ADAM = "torch.optim:Adam"
needs_gpu = pytest.mark.skipif(accelerator() is None, reason="no GPU")


def on_processor(work: Workload, settings: list[Setting], told: list[int] | None = None) -> list[Outcome]:
    """What would be done on a device, on the processor."""
    material = load_material(work)
    layout = Layout.of(material.model(0, torch.float32))
    recording = record(settings, layout.width, work.steps, torch.float32)
    chunk = Chunk(material, settings, layout, partial(StackedUpdate, recording, range(len(settings))))
    return train_on_device(chunk, (told if told is not None else []).append)


@pytest.mark.parametrize("steps", [1, 7, on_device.LOOK, on_device.LOOK + 5])
def test_it_does_what_the_stacked_tier_does(steps):
    work = replace(SMALL, steps=steps)
    settings = [Setting(ADAM, {"lr": 10.0**-k}, Fraction(k), seed=k % 2) for k in range(1, 6)]
    told: list[int] = []
    found = on_processor(work, settings, told)
    assert [replace(outcome, engine="stacked") for outcome in found] == run_settings(work, settings, tier="stacked")
    assert {outcome.engine for outcome in found} == {"cpu"}
    assert sum(told) == steps * len(settings)


@pytest.mark.parametrize("rates", [(1e-3, 1e30, 1e-2, 3e38), (1e30, 3e38)])
def test_the_step_of_a_divergence_is_noted_though_nobody_looks_at_every_step(rates):
    work = replace(SMALL, steps=2 * on_device.LOOK)
    settings = [Setting("torch.optim:SGD", {"lr": lr}) for lr in rates]
    told: list[int] = []
    found = on_processor(work, settings, told)
    expected = run_settings(work, settings, tier="stacked")
    for outcome, other in zip(found, expected, strict=True):
        assert (outcome.status, outcome.diverged_at, outcome.digest) == (other.status, other.diverged_at, other.digest)
        assert np.array_equal(outcome.curve, other.curve, equal_nan=True)
    assert sum(told) == work.steps * len(settings)


def test_a_gap_between_tensors_may_hold_anything():
    """With ε = 0 an adaptive optimizer computes 0/0 where there is no weight."""
    settings = [Setting(ADAM, {"lr": 1e-3, "eps": 0.0}), Setting(ADAM, {"lr": 1e-2, "eps": 0.0})]
    found = on_processor(SMALL, settings)
    assert [outcome.status for outcome in found] == ["finished", "finished"]


def test_the_number_of_replicas_depends_on_model_and_optimizer_alone():
    layout = Layout.of(load_material(SMALL).model(0, torch.float32))
    assert replicas_on_device(layout, 4, 1000) == on_device.MOST
    assert replicas_on_device(layout, 4, 1_000_000) < on_device.MOST
    assert replicas_on_device(layout, 4, 10**9) == on_device.LEAST
    assert replicas_on_device(layout, 400, 100_000) < replicas_on_device(layout, 4, 100_000)


def test_switches_are_put_back():
    before = [getattr(where, name) for where, name in SWITCHES]
    strict = torch.are_deterministic_algorithms_enabled()
    with contextlib.suppress(ZeroDivisionError), repeatable():
        assert not any(getattr(where, name) for where, name in SWITCHES)
        assert torch.are_deterministic_algorithms_enabled()
        raise ZeroDivisionError
    assert [getattr(where, name) for where, name in SWITCHES] == before
    assert torch.are_deterministic_algorithms_enabled() is strict


def test_without_a_device_one_line_says_so(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(engine, "accelerator", lambda: None)
    with pytest.raises(InputError, match="tier is 'cuda', but torch finds no such device here"):
        run_settings(SMALL, [Setting(ADAM, {"lr": 0.01})], tier="cuda")
    assert not runs_on_device(SMALL, Setting(ADAM, {"lr": 0.01}))


def digests(settings: list[Setting], work: Workload = SMALL) -> list[str]:
    outcomes = run_settings(work, settings, tier=devices.KIND)
    assert {outcome.engine for outcome in outcomes} == {devices.KIND}
    assert all(outcome.digest for outcome in outcomes)
    return [outcome.digest for outcome in outcomes]


@needs_gpu
@pytest.mark.gpu
@pytest.mark.parametrize("law", LAWS)
def test_co_scaled_powers_of_two_have_the_same_bits_on_a_gpu_and_others_have_not(law):
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
    same, *others = digests(settings)
    assert others == [same, same]
    assert same not in [outcome.digest for outcome in run_settings(SMALL, violated, tier=devices.KIND)]


@needs_gpu
@pytest.mark.gpu
@pytest.mark.parametrize(("work", "precision"), [
    *((SMALL, precision) for precision in PRECISIONS),
    *((Workload("cnn-1-8-16", "cross-entropy", "images", 6), precision) for precision in PRECISIONS),
    *((workload("with_batch_norm", steps=9), precision) for precision in ("float32", "float64")),
], ids=lambda part: part.model.rpartition(":")[2] if isinstance(part, Workload) else part)  # fmt: skip
def test_a_setting_has_the_same_bits_on_a_gpu_whatever_runs_beside_it(work, precision):
    generator = random.Random(3)
    rates = [1e-3 * (1 + k % 7) for k in range(23)]
    settings = [Setting(ADAM, {"lr": rate}, Fraction(1), k % 4, precision) for k, rate in enumerate(rates)]
    expected = digests(settings, work)
    for count in (1, 11):
        places = generator.sample(range(23), count)
        assert digests([settings[place] for place in places], work) == [expected[place] for place in places]
    assert len(set(expected)) > 7


@needs_gpu
@pytest.mark.gpu
@pytest.mark.parametrize("name", ["SGD", "Adam", "NAdam", "RMSprop", "RAdam", "Adadelta"])
def test_losses_on_a_gpu_are_those_of_the_plain_loop_up_to_rounding(name):
    work = replace(SMALL, steps=10)
    settings = [Setting(f"torch.optim:{name}", {"lr": 0.01 * k}, Fraction(1, 3), seed=k) for k in (1, 2)]
    found = run_settings(work, settings, tier=devices.KIND)
    for fast, plain in zip(found, run_settings(work, settings, tier="serial"), strict=True):
        assert fast.engine == devices.KIND
        assert np.abs(np.array(fast.curve) / np.array(plain.curve) - 1).max() < 2e-6


@needs_gpu
@pytest.mark.gpu
def test_subnormal_gradients_are_kept_on_a_gpu():
    """TF32 and flushed subnormals would both break the law far from α = 1."""
    settings = [
        Setting("torch.optim:SGD", {"lr": 2.0**-6 * 2.0**-m}, Fraction(2) ** m, precision=precision)
        for precision, far in (("float32", -100), ("float64", -900))
        for m in (0, far)
    ]
    one, other, third, fourth = digests(settings)
    assert (one, third) == (other, fourth)


@needs_gpu
@pytest.mark.gpu
def test_divergence_on_a_gpu_leaves_neighbours_alone():
    work = replace(SMALL, steps=2 * on_device.LOOK + 3)
    good = [Setting("torch.optim:SGD", {"lr": 0.01 * k}) for k in (1, 2, 3)]
    bad = [Setting("torch.optim:SGD", {"lr": rate}) for rate in (1e9, 1e38)]
    found = run_settings(work, [good[0], bad[0], good[1], bad[1], good[2]], tier=devices.KIND)
    assert [found[k].digest for k in (0, 2, 4)] == digests(good, work)
    for setting, outcome in zip(bad, (found[1], found[3]), strict=True):
        plain = run_settings(work, [setting], tier="serial")[0]
        assert (outcome.status, outcome.diverged_at) == (plain.status, plain.diverged_at)
        assert math.isnan(outcome.final_loss)


@needs_gpu
@pytest.mark.gpu
@pytest.mark.parametrize(("target", "model"), [
    ("torch.optim:LBFGS", SMALL.model), (f"{HERE}:ByShape", SMALL.model), (ADAM, f"{HERE}:with_dropout"),
])  # fmt: skip
def test_what_a_gpu_cannot_stack_the_processor_trains(target: str, model: str):
    work: Any = replace(SMALL, model=model, steps=3)
    setting = Setting(target, {"lr": 0.01})
    assert not runs_on_device(work, setting)
    found = run_settings(work, [setting], tier=devices.KIND)
    assert found == run_settings(work, [setting])
    assert found[0].status == "finished"

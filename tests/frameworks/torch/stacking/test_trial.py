from typing import Any

import pytest
import torch

from lossgauge.frameworks.torch.stacking.layout import Layout
from lossgauge.frameworks.torch.stacking.plans import Plan
from lossgauge.frameworks.torch.stacking.recording import record
from lossgauge.frameworks.torch.stacking.trial import acts_elementwise, differs_alone, examine, train_alone
from lossgauge.frameworks.torch.stacking.updates import StackedUpdate
from lossgauge.frameworks.torch.stacking.workloads import load_material
from lossgauge.records.sweep import Setting
from tests.frameworks.torch.stacking.workshop import HERE, SMALL, workload
from tests.zoo.catalogue import ZOO
from tests.zoo.row import ZooRow

MODEL = load_material(SMALL).model(0, torch.float32)
LAYOUT = Layout.of(MODEL)


@pytest.mark.parametrize(("target", "elementwise"), [
    ("torch.optim:NAdam", True), (f"{HERE}:KeepsGradient", True), (f"{HERE}:ByShape", False),
    (f"{HERE}:Leaking", False), ("tests.zoo.styles:RootOfEpsilon", False),
])  # fmt: skip
def test_elementwise_is_what_steps_alike_side_by_side_and_alone(target, elementwise):
    settings = [Setting(target, {"lr": lr}) for lr in (0.01, 0.02, 0.05)]
    assert acts_elementwise(settings, LAYOUT) is elementwise


@pytest.mark.parametrize(("model", "part"), [
    ("mlp-16-8-1", ""), ("with_gelu", ""), ("with_relu", ""), ("partly_frozen", ""), ("with_batch_norm", ""),
    ("with_dropout", "randomness"), ("with_branch", "data-dependent control flow"),
])  # fmt: skip
def test_models_that_cannot_be_stacked_are_named_with_the_reason(model, part):
    refusal = examine(workload(model), "float32").refusal
    assert part in refusal
    assert bool(refusal) is bool(part)


@pytest.mark.parametrize("stale", [0, 2, 5])
def test_what_a_plan_does_not_compute_again_is_noticed(stale, monkeypatch: pytest.MonkeyPatch):
    def forgetful(self: Plan) -> Any:
        for number, call in enumerate(self._calls):
            if number != stale:
                call()
        return self.results

    monkeypatch.setattr(Plan, "run", forgetful)
    examine.cache_clear()
    assert "differ from those of the plain loop" in examine(SMALL, "float32").refusal
    examine.cache_clear()


def test_every_kind_of_batch_is_tried():
    assert examine(workload(data="uneven_data"), "float32").refusal == ""


def test_heavy_models_are_not_worth_stacking_without_a_compiler():
    assert examine(SMALL, "float32").light
    assert not examine(workload("mlp-784-256-256-10", "cross-entropy", "classification"), "float32").light


@pytest.mark.parametrize(("wrong", "said"), [(None, ""), ("loss", "losses"), ("2.weight", "gradients of 2.weight")])
def test_a_wrong_gradient_is_noticed(wrong, said):
    material = load_material(SMALL)
    batch = material.batches[0]
    model = material.model(0, torch.float32)
    loss = material.loss(model(batch[0]), batch[1])
    names = [name for name, _ in model.named_parameters()]
    found = torch.autograd.grad(2 * loss, list(model.parameters()), retain_graph=True)
    gradients = dict(zip(names, found, strict=True))
    if wrong in gradients:
        gradients[wrong] = gradients[wrong] * 1.001
    refusal = differs_alone(
        material, "float32", model, batch, 2.0, loss.detach() * (1.001 if wrong == "loss" else 1), gradients
    )
    assert (said in refusal) if said else refusal == ""


def zoo_settings(row: ZooRow) -> list[Setting]:
    chosen: dict[str, Any] = {n: tuple(value) if isinstance(value, list) else value for n, value in row.set.items()}
    varied = [name for name, value in chosen.items() if type(value) is float and value]
    return [
        Setting(row.target, {**chosen, **{name: chosen[name] * factor for name in varied[:1]}})
        for factor in (1.0, 0.75, 0.5)
    ]


def test_optimizers_of_other_people_agree_wherever_they_are_accepted():
    """Longer and on another problem than the trial itself; what uses norms, means or closures is never accepted."""
    gradients = torch.randn(12, 3, 91, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    start = torch.linspace(-1, 1, 91, dtype=torch.float64)
    accepted: list[str] = []
    for row in ZOO:
        settings = zoo_settings(row)
        try:
            if not acts_elementwise(settings, LAYOUT):
                continue
            recording = record(settings, 91, 12, torch.float64)
        except Exception:  # refused in one of many ways: the engine then trains serially
            continue
        accepted.append(row.target.partition(":")[2])
        update = StackedUpdate(recording, range(3), start.repeat(3, 1))
        for step in range(12):
            update.gradient.copy_(gradients[step])
            update.step(step)
        for place, setting in enumerate(settings):
            alone = train_alone(setting, start, gradients[:, place], [(7, 13)], [91])
            assert torch.allclose(update.slots[0][place], alone, rtol=1e-9, atol=1e-9, equal_nan=True), row.target
    assert len(accepted) > 55
    assert not {"LarsGuarded", "Lamb", "Centralised", "SharpnessAware", "NewtonSchulz", "NoisyGradient"} & set(accepted)

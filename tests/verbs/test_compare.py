"""`compare` on losses whose relation is known."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import lossgauge
from lossgauge.errors import InputError
from lossgauge.records.comparison import Comparison, Relation
from lossgauge.verbs.compare import compare


def larger(output: Tensor, target: Tensor) -> Tensor:
    return 128 * functional.mse_loss(output, target)


def opposite(output: Tensor, target: Tensor) -> Tensor:
    return -functional.mse_loss(output, target)


def squared(output: Tensor, target: Tensor) -> Tensor:
    return functional.mse_loss(output, target) ** 2


def constant(output: Tensor, target: Tensor) -> Tensor:
    return 0 * output.sum()


def undefined(output: Tensor, target: Tensor) -> Tensor:
    return functional.mse_loss(output, target) * math.nan


def at_start(one: Any, other: Any, **options: Any) -> Comparison:
    return compare(one, other, steps=0, **options)


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1))


def data() -> list[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(1)
    return [(torch.randn(16, 3, generator=generator), torch.randn(16, 1, generator=generator)) for _ in range(3)]


def test_the_door_has_it():
    assert lossgauge.compare is compare


def test_focal_loss_over_the_focus():
    found = [at_start("cross-entropy", f"focal:gamma={gamma}") for gamma in (0, 0.5, 1, 2, 5)]
    assert found[0].relation in (Relation.PURE, Relation.IDENTICAL)
    assert found[0].alpha_eff == pytest.approx(1, rel=1e-6)
    assert all(comparison.relation is Relation.MOSTLY for comparison in found[1:])
    shares = [comparison.cos2 or 0 for comparison in found]
    assert shares == sorted(shares, reverse=True)
    assert shares[-1] < 0.9 < shares[-2]
    for comparison in found:
        weights = comparison.start.weights
        assert weights is not None
        assert weights.explained == pytest.approx(1, abs=1e-9), "focal loss only weighs the samples"
    hardest = found[-1].start.weights
    assert hardest is not None
    assert hardest.by_difficulty[-1] > 3 * hardest.by_difficulty[0]


def test_focal_loss_over_training():
    found = compare("cross-entropy", "focal", steps=100)
    course = found.course("a")
    assert course is not None
    assert course.points[-1].step == 100
    assert (course.points[0].total.cos2 or 0) > 0.95
    assert (course.points[-1].total.cos2 or 1) < 0.5
    first, last = course.points[0].weights, course.points[-1].weights
    assert first is not None
    assert last is not None
    assert (last.effective_share or 1) < 0.6 < (first.effective_share or 0)
    assert found.verdict.startswith("mostly a factor (")
    assert [settings.step for settings in found.compensations] == [0, 100], "the factor has moved"
    assert all(settings.equivalent["lr"] == 1e-3 for settings in found.compensations), "Adam's carries no loss"
    assert found.compensations[0].equivalent["eps"] == pytest.approx(1e-8 * (found.alpha_eff or 0), rel=1e-2)


def test_sum_for_mean_with_a_smaller_last_batch():
    found = compare("mse", "mse-sum", optimizer="sgd", settings={"lr": 0.05, "weight_decay": 1e-3}, steps=20)
    assert found.relation is Relation.PER_BATCH
    assert [batch.alpha_eff for batch in found.start.batches] == pytest.approx([32] * 7 + [8])
    assert [batch.cos2 for batch in found.start.batches] == pytest.approx([1] * 8)
    assert found.start.batch_share == pytest.approx(1)
    assert (found.cos2 or 1) < 0.9, "one factor for all does not do"
    assert "the second loss is a sum where the first is a mean" in found.notes[0]
    (settings,) = found.compensations
    assert settings.equivalent["lr"] == 0.05 / 32
    assert settings.equivalent["weight_decay"] == pytest.approx(0.032)
    assert at_start("mse-sum", "mse").notes[0].startswith("α_eff is 1 / the number of samples")


def test_huber_with_a_wide_and_a_narrow_threshold():
    wide, narrow = at_start("mse", "huber:delta=100"), at_start("mse", "huber:delta=0.5")
    assert (wide.verdict, wide.alpha_eff) == ("pure factor", pytest.approx(0.5))
    assert narrow.relation is Relation.MOSTLY
    assert narrow.start.weights is not None
    assert narrow.start.weights.by_difficulty[0] == pytest.approx(0.5)
    assert narrow.start.weights.by_difficulty[-1] < 0.2, "outliers count less"
    same = at_start("huber:delta=0.5", "smooth-l1:beta=0.5")
    assert (same.verdict, same.alpha_eff) == ("pure factor", pytest.approx(2))


def test_class_weights_with_a_mean_over_weights():
    found = at_start("cross-entropy", "weighted-cross-entropy")
    doubled = at_start("cross-entropy", "weighted-cross-entropy:weights=2,4,6")
    assert found.relation is Relation.MOSTLY
    assert doubled.alpha_eff == pytest.approx(found.alpha_eff, rel=1e-6), "the mean over weights takes a factor out"
    assert at_start("cross-entropy", "weighted-cross-entropy:weights=7,7,7").alpha_eff == pytest.approx(1, rel=1e-6)


@pytest.mark.parametrize(
    ("one", "other", "relation"),
    [
        ("mse", "mse", Relation.IDENTICAL),
        ("mse", larger, Relation.PURE),
        ("mse", opposite, Relation.DIFFERENT),
        ("mse", squared, Relation.PER_BATCH),
        ("mse", constant, Relation.UNDECIDED),
        (constant, "mse", Relation.UNDECIDED),
        ("mse", undefined, Relation.UNDECIDED),
        (undefined, "mse", Relation.UNDECIDED),
    ],
)
def test_relations_of_losses(one: Any, other: Any, relation: Relation):
    found = compare(one, other, network, data, steps=5)
    assert found.relation is relation
    if relation is Relation.UNDECIDED:
        assert not found.courses
        assert "is 0 in every batch" in found.notes[-1] or "is not finite in batch 1" in found.notes[-1]
    if other is opposite:
        assert not found.compensations
        assert "points the other way" in found.notes[-1]


@pytest.mark.parametrize(
    ("optimizer", "settings"),
    [("sgd", {"lr": 0.05, "momentum": 0.9, "weight_decay": 1e-2}), ("nadam", {"eps": 1e-2}), ("adagrad", {})],
)
def test_with_a_pure_factor_taken_out_nothing_remains(optimizer: str, settings: dict[str, float]):
    found = compare("mse", larger, network, data, optimizer=optimizer, settings=settings, steps=20)
    one, other = found.courses
    assert other.alpha == 128
    assert [point.value_a for point in one.points] == [point.value_a for point in other.points], "bit for bit"
    assert one.points[-1].value_a < one.points[0].value_a
    third = compare("mse", squared, network, data, optimizer=optimizer, settings=settings, steps=20)
    assert [p.value_a for p in third.courses[0].points] != [p.value_a for p in third.courses[1].points]


def test_a_live_optimizer():
    model = network()
    live = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    for given, target in data():
        live.zero_grad()
        functional.mse_loss(model(given), target).backward()
        live.step()
    before = [weight.clone() for weight in model.parameters()]
    found = compare("mse", larger, model, data, optimizer=live, steps=10)
    one, other = found.courses
    assert [point.value_a for point in one.points] == [point.value_a for point in other.points], "momentum moved too"
    assert found.compensations[0].equivalent["lr"] == 0.05 / 128
    assert live.param_groups[0]["lr"] == 0.05
    assert found.compensations[0].states == {"momentum_buffer": 1}
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


def test_an_optimizer_without_a_law():
    found = compare("mse", larger, network, data, optimizer="radam", steps=10)
    assert found.courses[1].alpha == 1
    assert "both trainings use the same settings" in found.notes[-1]
    assert found.compensations[0].verdict == "BROKEN"


def test_settings_of_clipping_are_converted():
    found = compare("mse", larger, network, data, settings={"max_norm": 1.0}, steps=1)
    assert found.compensations[0].equivalent["max_norm"] == 128
    assert "max_norm is converted, but not used" in found.notes[-1]


def test_a_training_that_diverges_is_told():
    found = compare("mse", squared, network, data, optimizer="sgd", settings={"lr": 1e9}, steps=30)
    assert found.courses[0].diverged
    assert [settings.step for settings in found.compensations] == [0], "what it is at the end says nothing"
    assert "the training with mse diverged in step" in " ".join(found.notes)


def test_a_training_that_grows_beyond_all_measure_is_told():
    wild = compare("mse", "mae", settings={"lr": 1e9}, steps=5)
    assert wild.courses[0].diverged is None
    told = [note for note in wild.notes if "does not train: its loss went from" in note]
    assert [note.split(" does not")[0] for note in told] == ["the training with mse", "the training with mae"]
    assert not any("does not train" in note for note in compare("mse", "mae", steps=5).notes)


def test_it_repeats_itself():
    one, other = (compare("cross-entropy", "focal", steps=5).to_dict() for _ in range(2))
    assert one == other
    assert one != compare("cross-entropy", "focal:gamma=1.9", steps=5).to_dict()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": -1}, "steps is -1"),
        ({"steps": True}, "steps is True"),
        ({"most_batches": 0}, "most_batches is 0"),
        ({"optimizer": "adm"}, "did you mean 'adam'"),
        ({"settings": {"epz": 1.0}}, "Adam has no setting 'epz'"),
        ({"settings": {"lr": -1.0}}, "cannot be made"),
        ({"model": network}, "a model came without batches"),
        ({"model": network, "batches": []}, "there are no batches"),
        ({"model": network, "batches": [(torch.ones(4, 3), torch.ones(4))]}, r"output \(4, 1\) and target \(4,\)"),
    ],
)
def test_bad_input(options: dict[str, Any], message: str):
    with pytest.raises(InputError, match=message):
        compare("mse", "mae", **options)

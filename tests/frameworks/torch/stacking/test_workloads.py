import pytest
import torch

from lossgauge.errors import InputError
from lossgauge.frameworks.torch.stacking.workloads import check_workload, load_material
from lossgauge.records.sweep import Workload
from tests.frameworks.torch.stacking.workshop import workload


@pytest.mark.parametrize(("model", "loss", "data"), [
    ("mlp-16-64-64-1", "mse", "regression"), ("mlp-784-256-256-10", "cross-entropy", "classification"),
    ("cnn-1-8-16", "cross-entropy", "images"),
])  # fmt: skip
def test_the_built_in_workloads_train(model, loss, data):
    check_workload(Workload(model, loss, data, 3))


@pytest.mark.parametrize(("names", "part"), [
    (dict(model="mlp-16"), "no model is called 'mlp-16'"),
    (dict(model="cnn-1-8-61x"), "did you mean 'cnn-1-8-16'"),
    (dict(loss="mes"), "did you mean 'mse'"),
    (dict(data="regresion"), "did you mean 'regression'"),
    (dict(model="nowhere.at.all:model"), "cannot be imported"),
    (dict(loss="torch.nn.functional:mse_los"), "did you mean 'mse_loss'"),
    (dict(model="math:pi"), "is float, expected a function"),
    (dict(data="changing_data"), "gave other batches when it was called again"),
    (dict(data="growing_data"), "gave other batches when it was called again"),
    (dict(data="no_data"), "did not give batches"),
    (dict(data="failing_data"), "OSError: no such file"),
    (dict(data="math:factorial"), "failed"),
    (dict(loss="loss_per_sample"), "do not fit"),
    (dict(model="frozen"), "nothing to train"),
    (dict(model="math:factorial"), "cannot be made"),
    (dict(model="mlp-5-1"), "do not fit"),
    (dict(steps=0), "expected at least 1"),
])  # fmt: skip
def test_what_does_not_fit_is_said_in_one_line(names, part):
    with pytest.raises(InputError) as caught:
        check_workload(workload(**names))
    assert part in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_generator_of_the_user_is_left_as_it_was():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    check_workload(workload())
    assert torch.equal(torch.rand(3), expected)


def test_a_model_starts_as_after_seeding_by_hand():
    torch.manual_seed(3)
    expected = torch.nn.Linear(16, 2).weight
    model = load_material(workload("two_outputs")).model(3, torch.float32)
    assert torch.equal(next(model.parameters()), expected)


def test_epochs_follow_one_another():
    batches = load_material(workload(data="uneven_data", steps=5)).stream()
    assert [len(x) for x, _ in batches] == [8, 8, 3, 8, 8]

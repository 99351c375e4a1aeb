import itertools
import tomllib
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from lossgauge.errors import InputError
from lossgauge.experiments.sweeping import plans, ranges
from lossgauge.experiments.sweeping.plans import read_plan, read_plan_file

PLAN: dict[str, Any] = {
    "model": "mlp-16-4-1",
    "loss": "mse",
    "data": "regression",
    "steps": 20,
    "optimizer": ["sgd", "torch.optim:Adam"],
    "seeds": 2,
    "precision": ["float32", "float64"],
    "grid": {"alpha": "2**-2..2**2 step 2**2", "lr": [1e-3, 1e-2], "eps": [1e-8, 1e-6, 1e-4]},
    "fixed": {"weight_decay": 0.1},
}


def changed(**changes: Any) -> dict[str, Any]:
    return {name: value for name, value in {**PLAN, **changes}.items() if value is not ...}


def test_all_combinations_are_there_once_and_in_the_same_order():
    plan = read_plan(PLAN)
    common = 2 * 2 * 3 * 2
    assert len(plan.settings) == common + common * 3
    assert len({repr(setting) for setting in plan.settings}) == len(plan.settings)
    assert plan.settings == read_plan(PLAN).settings
    assert [len(list(group)) for _, group in itertools.groupby(plan.labels)] == [common, common * 3]
    first = plan.settings[0]
    assert (first.optimizer, first.alpha, first.seed, first.precision) == (
        "torch.optim:SGD",
        Fraction(1, 4),
        0,
        "float32",
    )
    assert first.hyperparameters == {"lr": 1e-3, "weight_decay": 0.1}
    assert plan.workload.steps == 20


def test_a_hyperparameter_that_an_optimizer_lacks_is_left_out_with_a_note():
    plan = read_plan(PLAN)
    assert plan.notes == ("eps is left out for SGD, without such a setting",)
    assert not any("eps" in s.hyperparameters for s in plan.settings if s.optimizer.endswith("SGD"))
    assert plan.axes["eps"] == (1e-8, 1e-6, 1e-4)
    assert "weight_decay" not in plan.axes


def test_optimizers_may_have_names_and_values_of_their_own():
    own = {"plain": {"class": "sgd"}, "heavy": {"class": "sgd", "momentum": [0.5, 0.9], "lr": 1e-2}, "adam": {}}
    plan = read_plan(changed(optimizer=own, seeds=1, precision="float32"))
    heavy = [s for label, s in zip(plan.labels, plan.settings, strict=True) if label == "heavy"]
    assert {s.hyperparameters["momentum"] for s in heavy} == {0.5, 0.9}
    assert {s.hyperparameters["lr"] for s in heavy} == {1e-2}
    assert plan.labels[0] == "plain"
    assert plan.labels[-1] == "adam"


def test_tuples_are_one_value_and_may_be_given_by_entry():
    whole = read_plan(changed(optimizer="adam", grid={"betas": [[0.9, 0.99], [0.8, 0.9]]}, fixed={}))
    assert {s.hyperparameters["betas"] for s in whole.settings} == {(0.9, 0.99), (0.8, 0.9)}
    entry = read_plan(changed(optimizer="adam", grid={"betas[1]": [0.99, 0.9]}, fixed={}))
    assert {s.hyperparameters["betas"] for s in entry.settings} == {(0.9, 0.99), (0.9, 0.9)}
    assert read_plan(changed(optimizer="adam", grid={}, fixed={"betas": [0.5, 0.6]})).settings[0].hyperparameters == {
        "betas": (0.5, 0.6)
    }


def test_alpha_of_an_optimizer_is_set_in_its_own_table():
    plan = read_plan(changed(optimizer={"RMSprop": {"alpha": [0.9, 0.99]}}, grid={"alpha": [1, 2]}, fixed={}, seeds=1))
    assert {s.alpha for s in plan.settings} == {1, 2}
    assert {s.hyperparameters["alpha"] for s in plan.settings} == {0.9, 0.99}


def test_seeds_are_a_count_or_a_list():
    assert {s.seed for s in read_plan(changed(seeds=3)).settings} == {0, 1, 2}
    assert {s.seed for s in read_plan(changed(seeds=[5, 7, 5])).settings} == {5, 7}


def test_toml_says_the_same(tmp_path: Path):
    text = """
model = "mlp-16-4-1"
loss = "mse"
data = "regression"
steps = 20
optimizer = ["sgd", "torch.optim:Adam"]
seeds = 2
precision = ["float32", "float64"]
[grid]
alpha = "2**-2..2**2 step 2**2"
lr = [1e-3, "1/100"]
eps = "1e-8..1e-4 log 3"
[fixed]
weight_decay = 0.1
"""
    (tmp_path / "plan.toml").write_text(text)
    assert read_plan(read_plan_file(tmp_path / "plan.toml")) == read_plan(PLAN)


def test_the_example_in_the_documentation_is_a_plan():
    example = (plans.__doc__ or "").split("```toml")[1].split("```")[0]
    written = tomllib.loads(example) | {"model": "mlp-16-4-1", "data": "regression"}
    assert read_plan(written).labels[0] == "SGD"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"grids": {}}, "did you mean 'grid'"),
        ({"optimiser": "sgd"}, "did you mean 'optimizer'"),
        ({"model": ...}, "the plan has no model"),
        ({"model": 3}, "model is 3"),
        ({"model": "__main__:net"}, "lies in the script that is running"),
        ({"steps": 0}, "steps is 0"),
        ({"steps": True}, "steps is True"),
        ({"points": 1}, "points is 1"),
        ({"points": 10**9}, "points is 1000000000, expected at most 10000"),
        ({"seeds": 0}, "seeds is 0"),
        ({"seeds": []}, "empty list"),
        ({"seeds": [-1]}, "seeds is -1"),
        ({"precision": "fp16"}, "did you mean 'float16'"),
        ({"precision": []}, "empty list"),
        ({"grid": 3}, r"table \[grid\]"),
        ({"grid": {"lrr": 1}}, "did you mean 'lr'"),
        ({"grid": {"zzz": 1}}, "expected alpha or one of lr"),
        ({"grid": {"lr": "1e-3 to 1"}}, "lr of SGD is '1e-3 to 1'"),
        ({"grid": {"lr": -1}}, "refuses lr=-1.0"),
        ({"grid": {"lr": [0.1, "none"]}}, "lr of SGD is None"),
        ({"grid": {"lr": "1e400"}}, "beyond the largest"),
        ({"grid": {"nesterov": 1}}, "expected true or false"),
        ({"grid": {"alpha": 0}}, "alpha is 0"),
        ({"grid": {"alpha": True}}, "alpha is True"),
        ({"grid": {"alpha": "2**200"}}, "which float32 cannot hold"),
        ({"grid": {"lr": 0.1}, "fixed": {"lr": 0.1}}, r"both in \[grid\] and in \[fixed\]"),
        ({"fixed": {"weight_decay": [0, 1]}}, r"weight_decay in \[fixed\] has several"),
        ({"optimizer": []}, "optimizer is empty"),
        ({"optimizer": 3}, "optimizer is 3"),
        ({"optimizer": "sgdd"}, "did you mean 'SGD'"),
        ({"optimizer": "no_such_module:Adam"}, "no_such_module cannot be imported"),
        ({"optimizer": "clip_grad_norm_"}, "is no optimizer"),
        ({"optimizer": ["sgd", "torch.optim:SGD"]}, "names SGD twice"),
        ({"optimizer": {"sgd": 1}}, r"expected a table \[optimizer.sgd\]"),
        ({"optimizer": {"sgd": {"momentun": 1}}}, "did you mean 'momentum'"),
        ({"grid": {"lr": [[1, "1/3"]]}}, r"lr of SGD is \[1, 1/3\], expected a number"),
        ({"optimizer": {"adam": {"betas": 1}}}, "betas of adam is 1, expected 2 numbers"),
        ({"optimizer": {"adam": {"betas": [0.9, "x"]}}}, "expected a number"),
        ({"optimizer": {"muon": {"ns_steps": 2.5}}}, "expected a whole number"),
    ],
)
def test_what_is_wrong_with_a_plan_is_said_in_one_line(changes: dict[str, Any], message: str):
    with pytest.raises(InputError, match=message) as error:
        read_plan(changed(**changes))
    assert "\n" not in str(error.value)


def test_a_plan_that_is_too_large_is_refused_before_it_is_written_out(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(plans, "MOST", 50)
    with pytest.raises(InputError, match="more than 50 settings"):
        read_plan(PLAN)
    assert ranges.MOST > 50


def test_a_required_hyperparameter_that_is_missing_is_named():
    optimizer = "tests.zoo.bad:NeedsArgument"
    with pytest.raises(InputError, match="NeedsArgument needs"):
        read_plan(changed(optimizer=optimizer, grid={}, fixed={}))


def test_files_that_are_no_plans_are_refused(tmp_path: Path):
    with pytest.raises(InputError, match="cannot be read"):
        read_plan_file(tmp_path / "missing.toml")
    (tmp_path / "bad.toml").write_text("a = = 3")
    with pytest.raises(InputError, match="is no TOML"):
        read_plan_file(tmp_path / "bad.toml")

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from lossgauge import sweep
from lossgauge.errors import InputError
from lossgauge.experiments.sweeping.driver import Course
from lossgauge.records.sweep import SweepRow
from lossgauge.verbs.sweep import Watcher, export_sweep

THREE = "2**-2..2**2 step 2**2"
ADAM: dict[str, Any] = {
    "model": "mlp-16-4-1",
    "loss": "mse",
    "data": "regression",
    "steps": 6,
    "optimizer": "adam",
    "grid": {
        "alpha": THREE,
        "lr": "2**-8..2**-4 step 2**2",
        "eps": "2**-12..2**-8 step 2**2",
        "weight_decay": "2**-6..2**-2 step 2**2",
    },
}
SGD: dict[str, Any] = {**ADAM, "optimizer": "sgd", "grid": {"alpha": THREE, "lr": "2**-8..2**-4 step 2**2"}}


def batches_that_change() -> list[Any]:
    import torch

    return [(torch.randn(8, 16), torch.randn(8, 1))]


def wrong_shapes() -> list[Any]:
    import torch

    return [(torch.zeros(8, 3), torch.zeros(8, 1))]


@pytest.fixture(scope="module")
def adam(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    store = tmp_path_factory.mktemp("sweep") / "runs.db"
    return sweep(ADAM, store=store, jobs=1, audit=12), store


def test_a_grid_of_powers_of_two_is_run_once_per_group_and_audited_by_bits(adam: tuple[Any, Path]):
    result, _ = adam
    groups = {(lr, eps - a, decay - a) for a in range(3) for lr in range(3) for eps in range(3) for decay in range(3)}
    assert (result.summary.settings, result.summary.distinct_runs) == (81, len(groups))
    assert result.summary.audited == 12
    assert result.summary.sound
    assert Counter(row.reused for row in result.rows) == {"": len(groups), "bits": 81 - len(groups)}
    assert {row.outcome.status for row in result.rows} == {"finished"}
    digests = {row.outcome.digest for row in result.rows}
    assert len(digests) == len(groups)  # settings of different groups do differ


def test_a_finished_sweep_is_read_back_at_once_and_not_begun_again(adam: tuple[Any, Path]):
    result, store = adam
    told: list[Course] = []
    again = sweep(ADAM, store=store, resume=True, jobs=1, watcher=Watcher(told.append))
    assert again.rows == result.rows
    assert again.summary.audited == 12  # of the first time
    assert told == []
    with pytest.raises(InputError, match="already holds this sweep"):
        sweep(ADAM, store=store)


def test_a_store_of_another_plan_is_refused(adam: tuple[Any, Path]):
    with pytest.raises(InputError, match=r"another plan \(its steps is 6, not 7\)"):
        sweep({**ADAM, "steps": 7}, store=adam[1], resume=True)
    with pytest.raises(InputError, match="begun with rounding"):
        sweep(ADAM, store=adam[1], resume=True, rounding="run")


def test_a_store_becomes_a_table(adam: tuple[Any, Path], tmp_path: Path):
    assert export_sweep(adam[1], tmp_path / "runs.csv") == 81
    with pytest.raises(InputError, match="there is no store"):
        export_sweep(tmp_path / "none.db", tmp_path / "runs.csv")


def test_a_dry_run_runs_nothing_and_estimates():
    result = sweep(ADAM, dry_run=True, jobs=1)
    assert result.rows == ()
    assert result.summary.planned
    assert (result.summary.settings, result.summary.distinct_runs) == (81, 57)
    assert result.summary.seconds > 0


def test_half_precision_is_reused_only_where_the_bits_prove_it():
    """The smallest number of float16 is 2^-24: a loss times 2^-20 loses gradients, one times 4 does not."""
    grid = {"alpha": ["2**-20", "2**-18", 1, 2, 4], "lr": ["2**18", "2**16", "2**-2", "2**-3", "2**-4"]}
    half = {**SGD, "precision": "float16", "grid": grid}
    untouched = sweep(half, jobs=1)
    assert not any(row.reused for row in untouched.rows)
    audited = sweep(half, jobs=1, audit=1)
    orbit = [row for row in audited.rows if float(row.setting.alpha) * _rate(row) == 0.25]
    assert {str(row.setting.alpha): row.reused for row in orbit} == {
        "1/1048576": "",
        "1/262144": "",
        "1": "",
        "2": "bits",
        "4": "bits",
    }
    assert [_digest(row) for row in audited.rows] == [_digest(row) for row in untouched.rows]


def _rate(row: SweepRow) -> float:
    rate = row.setting.hyperparameters["lr"]
    assert isinstance(rate, float)
    return rate


def _digest(row: SweepRow) -> str:
    assert row.outcome is not None
    return row.outcome.digest


@pytest.mark.parametrize(
    ("plan", "options", "message"),
    [
        ({**SGD, "optimzer": 1}, {}, "did you mean 'optimizer'"),
        ({**SGD, "model": "no_such_module:net"}, {}, "no_such_module cannot be imported"),
        ({**SGD, "model": "mlp16"}, {}, "no model is called 'mlp16'"),
        ({**SGD, "data": f"{__name__}:batches_that_change"}, {}, "gave other batches when it was called again"),
        ({**SGD, "data": f"{__name__}:wrong_shapes"}, {}, "do not fit"),
        ({**SGD, "optimizer": ["sgd", "muon"]}, {}, "Muon cannot train 'mlp-16-4-1' in float32: ValueError"),
        (SGD, {"engine": "dask"}, "expected local or ray"),
        (SGD, {"rounding": "reus"}, "did you mean 'reuse'"),
        (SGD, {"audit": -1}, "audit is -1"),
        (SGD, {"jobs": 0}, "jobs is 0"),
        ("missing.toml", {}, "cannot be read"),
    ],
)
def test_what_cannot_be_run_is_said_before_anything_runs(plan: Any, options: dict[str, Any], message: str):
    with pytest.raises(InputError, match=message):
        sweep(plan, **options)

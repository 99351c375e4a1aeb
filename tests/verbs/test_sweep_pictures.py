"""Pictures of any sweep."""

from dataclasses import replace
from pathlib import Path

import pytest

from lossgauge.errors import InputError
from lossgauge.records.sweep import SweepRow, Workload
from lossgauge.records.sweep_summary import SweepSummary
from lossgauge.verbs.sweep import SweepResult
from lossgauge.verbs.sweep_pictures import picture_sweep
from tests.reports.sweeping.samples import adam, sgd

pytest.importorskip("torch")
pytest.importorskip("vl_convert")


def result_of(rows: list[SweepRow]) -> SweepResult:
    return SweepResult(SweepSummary(Workload("mlp-2-1", "mse", "regression", 5), len(rows), len(rows), 0), tuple(rows))


def test_a_sweep_is_drawn(tmp_path: Path):
    files = picture_sweep(result_of([*sgd(), *adam()]), tmp_path / "out")
    names = {Path(file).stem for file in files}
    assert names == {"who-feels-alpha", "best-learning-rate", "collapse-sgd-lr"}
    assert all(Path(file).exists() for file in files)


def test_optimizers_that_are_not_in_the_table_have_their_law_found(tmp_path: Path):
    # The same trainings by a class nobody has seen: its law is discovered, not looked up by name.
    renamed = [
        replace(row, label="Mine", setting=replace(row.setting, optimizer="tests.zoo.styles:IntegerDefaults"))
        for row in sgd()
    ]
    files = picture_sweep(result_of(renamed), tmp_path)
    assert "collapse-mine-lr" in {Path(file).stem for file in files}


def test_a_sweep_that_shows_nothing_is_one_clear_line(tmp_path: Path):
    with pytest.raises(InputError, match="nothing can be drawn"):
        picture_sweep(result_of(sgd(rates=[0], alphas=[0])), tmp_path / "out")
    assert not (tmp_path / "out").exists()

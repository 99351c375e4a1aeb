import csv
import importlib
import sys
from fractions import Fraction
from pathlib import Path

import pytest

from lossgauge.errors import InputError
from lossgauge.experiments.sweeping.export import export_rows, tabulate
from lossgauge.records.sweep import Outcome, Setting, SweepRow

DONE = Outcome("finished", 0.1 + 0.2, None, (1.0, 0.3), "ab", "stacked")
ROWS = [
    SweepRow(0, "SGD", Setting("torch.optim:SGD", {"lr": 0.1, "alpha": 0.5}, Fraction(1, 3)), DONE, "", 0, "k"),
    SweepRow(1, "Adam", Setting("torch.optim:Adam", {"lr": 1e-3, "betas": (0.9, 0.99)}), DONE, "bits", 0, "k"),
    SweepRow(2, "Adam", Setting("torch.optim:Adam", {"lr": 1}), None, "", 2),
]


def test_a_table_of_text_has_a_row_for_each_setting_and_loses_no_digit(tmp_path: Path):
    assert export_rows(ROWS, tmp_path / "runs.csv") == 3
    with (tmp_path / "runs.csv").open(newline="") as file:
        first, second, third = csv.DictReader(file)
    assert float(first["final_loss"]) == DONE.final_loss
    assert (first["alpha_exact"], first["hyperparameter_alpha"], first["hyperparameter_betas"]) == ("1/3", "0.5", "")
    assert (second["reused"], second["run"], second["hyperparameter_betas"]) == ("bits", "0", "0.9 0.99")
    assert [float(value) for value in second["curve"].split()] == [1.0, 0.3]
    assert (third["status"], third["curve"]) == ("", "")


def test_all_rows_have_the_same_columns():
    assert len({tuple(row) for row in tabulate(ROWS)}) == 1
    assert tabulate([]) == []


def test_without_rows_there_is_an_empty_table(tmp_path: Path):
    assert export_rows([], tmp_path / "none.csv") == 0


def test_a_table_of_columns(tmp_path: Path):
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is an extra")
    export_rows(ROWS, tmp_path / "runs.parquet")
    rows = parquet.read_table(tmp_path / "runs.parquet").to_pylist()
    assert [row["hyperparameter_lr"] for row in rows] == [0.1, 1e-3, 1.0]
    assert rows[1]["curve"] == [1.0, 0.3]


def test_without_pyarrow_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("pyarrow")
    with pytest.raises(InputError, match=r"lossgauge\[parquet\]"):
        export_rows(ROWS, tmp_path / "runs.parquet")


@pytest.mark.parametrize("name", ["runs.xlsx", "runs", "missing/runs.csv"])
def test_what_cannot_be_written_is_said_in_one_line(tmp_path: Path, name: str):
    with pytest.raises(InputError, match=r"expected a name that ends in|cannot be written"):
        export_rows(ROWS, tmp_path / name)

"""The verb `thread`: the whole session, once."""

import importlib
import json
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import lossgauge
from lossgauge.demonstration import session
from lossgauge.demonstration.session import Trial
from lossgauge.errors import InputError
from lossgauge.laws.table import read_table
from tests.reports.thread_samples import nadam


def test_the_seed_thread_comes_out_as_it_must(tmp_path: Path):
    seen: list[float] = []
    statements = lossgauge.thread(tmp_path, lambda done, title: seen.append(done))
    found = {statement.number: statement.holds for statement in statements}
    expected = {1: False, 2: True, 3: True, 4: False, 5: True, 6: False, 7: True, 8: True, 9: True}
    assert found == {**expected, 10: True if read_table() else None}
    assert list(found) == list(range(1, 11)), "in the order of the thread"
    assert seen == sorted(seen)
    json.dumps([statement.to_dict() for statement in statements], allow_nan=False)
    assert all(statement.measured and "\n" not in statement.measured for statement in statements)
    if find_spec("vl_convert"):
        assert len(list(tmp_path.glob("*.svg"))) == len(list(tmp_path.glob("*.png"))) == 3


def test_results_are_kept_when_there_can_be_no_pictures(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    monkeypatch.setattr(session, "try_statements", lambda progress: [nadam()])
    with pytest.warns(UserWarning, match=r"lossgauge\[pictures\]"):
        assert lossgauge.thread(tmp_path) == [nadam()]


def test_without_torch_there_is_one_clear_line(monkeypatch: pytest.MonkeyPatch):
    def refuse(name: str) -> None:
        raise ModuleNotFoundError(f"No module named {'torch'!r}", name="torch")

    monkeypatch.setattr(importlib, "import_module", refuse)
    with pytest.raises(InputError, match=r"pip install 'lossgauge\[torch\]'"):
        lossgauge.thread(None)


def test_a_trial_is_any_measurement_and_its_judge():
    trial = Trial("nothing", lambda tick: {}, lambda evidence: nadam())
    assert session.try_statements(trials=(trial,)) == [nadam()]

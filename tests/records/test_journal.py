"""Sessions on disk: written line by line, readable however the writer ended."""

import math
from pathlib import Path

import pytest

from lossgauge.errors import InputError
from lossgauge.records.journal import Journal, as_row, from_row, read_session, write_session
from lossgauge.records.session import Clip, Ending, Event, Optimizer, Sample, Session, Step, Tensor, Trial

STEPS = [Step(1, 0, (1.0,)), Step(2, 0, (math.nan,), 4, Clip("max_norm", 0.5, 7.0), 2.0, True, True)]


def write_some(path):
    journal = Journal(path)
    journal.begin("train.py", ["--lr", "1"], {"torch": "2"})
    journal.add(Optimizer("torch.optim:SGD", ({"lr": 0.1},)))
    journal.add(Tensor("weight", (2, 3), "float32", 0, 0, 6, 6))
    journal.add_steps(as_row(step) for step in STEPS)
    journal.add(Sample(2, 0, 2))
    journal.add(Event("limit", 2, "too many tensors"))
    return journal


def test_what_was_written_is_read(tmp_path):
    journal = write_some(tmp_path / "s.jsonl")
    journal.add(Trial("LG001", {"kind": "loss"}))
    journal.add(Ending("finished", steps=2))
    session = read_session(tmp_path / "s.jsonl")
    assert (session.script, session.args, session.versions) == ("train.py", ("--lr", "1"), {"torch": "2"})
    assert repr(session.steps) == repr(STEPS)
    assert [t.name for t in session.tensors] == ["weight"]
    assert session.ending == Ending("finished", steps=2)
    assert [trial.code for trial in session.trials] == ["LG001"]


def test_it_is_readable_before_the_journal_is_closed(tmp_path):
    write_some(tmp_path / "s.jsonl")  # neither closed nor ended: as if the process had been killed
    session = read_session(tmp_path / "s.jsonl")
    assert len(session.steps) == 2
    assert session.ending is None


@pytest.mark.parametrize("cut", [2, 10, 40])
def test_a_torn_last_line_costs_only_itself(tmp_path, cut):
    path = tmp_path / "s.jsonl"
    write_some(path).close()
    path.write_bytes(path.read_bytes()[:-cut])
    session = read_session(path)
    assert len(session.steps) == 2
    assert session.samples
    assert not session.events


def test_records_can_be_said_again_better(tmp_path):
    journal = write_some(tmp_path / "s.jsonl")
    journal.replace(0, Tensor("layer.weight", (2, 3), "float32", 0, 0, 6, 6))
    assert [t.name for t in read_session(tmp_path / "s.jsonl").tensors] == ["layer.weight"]


def test_a_whole_session_goes_round(tmp_path):
    write_some(tmp_path / "a.jsonl")
    session = read_session(tmp_path / "a.jsonl")
    write_session(session, tmp_path / "b.jsonl")
    assert repr(read_session(tmp_path / "b.jsonl")) == repr(session)
    write_session(Session("other"), tmp_path / "b.jsonl")
    assert read_session(tmp_path / "b.jsonl") == Session("other")


@pytest.mark.parametrize("step", STEPS)
def test_rows_hold_every_field(step):
    assert repr(from_row(as_row(step))) == repr(step)


@pytest.mark.parametrize("content", ["", "no json", '{"schema": "other/1"}', "[]"])
def test_other_files_are_refused(tmp_path, content):
    path = tmp_path / "other"
    path.write_text(content)
    with pytest.raises(InputError, match="is no session"):
        read_session(path)


def test_what_cannot_be_read_or_written_is_said(tmp_path):
    with pytest.raises(InputError, match="expected a file that lossgauge run wrote"):
        read_session(tmp_path / "missing")
    with pytest.raises(InputError, match="cannot be written"):
        Journal(tmp_path / "no such folder" / "s.jsonl")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_disk_is_an_error_unless_somebody_is_told():
    journal = Journal("/dev/full")
    with pytest.raises(OSError, match="No space left"):
        journal.begin("train.py", (), {})
    told: list[str] = []
    journal = Journal("/dev/full")
    journal.give_up(told.append)
    journal.begin("train.py", (), {})
    journal.add(Event("limit", 1, "more"))
    journal.close()
    assert journal.lost == "No space left on device"
    assert told == ["the session cannot be written to '/dev/full' any more (No space left on device)"]

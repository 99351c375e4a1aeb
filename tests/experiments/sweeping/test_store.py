import math
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lossgauge.errors import InputError
from lossgauge.experiments.sweeping import database
from lossgauge.experiments.sweeping.lock import Lock
from lossgauge.experiments.sweeping.store import Audit, Batch, Store
from lossgauge.records.sweep import Outcome, Workload
from tests.experiments.sweeping.sweeps import sgd_plan, share

PLAN = sgd_plan()
OPTIONS = {"rounding": "reuse", "audit": 3}
BATCH = Batch("1-runs-00000", "1-runs", "auto", (0, 1))
DONE = [
    Outcome("finished", 0.5, None, (1.0, 0.5), "ab", "stacked"),
    Outcome("diverged", math.nan, 2, (1.0, math.inf), "", "stacked"),
]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "runs.db"


@pytest.fixture
def store(place: Path) -> Iterator[Store]:
    opened = Store(place)
    opened.begin(PLAN, share(PLAN), OPTIONS)
    yield opened
    opened.close()


def test_what_is_kept_is_read_back_by_another_driver(store: Store, place: Path):
    store.add([BATCH])
    store.finish(BATCH, DONE)
    store.finish_audit(BATCH, [Audit(0, 1, "bits", ""), Audit(1, 2, "bits", "other bits")])
    store.close()
    again = Store(place)
    try:
        again.check(PLAN, OPTIONS)
        assert again.options() == OPTIONS
        assert [row.setting for row in again.rows()] == list(PLAN.settings)
        assert again.shares() == share(PLAN)
        assert again.outcomes()[0] == DONE[0]
        other = again.outcomes()[1]
        assert math.isnan(other.final_loss)
        assert replace(other, final_loss=0.0) == replace(DONE[1], final_loss=0.0)
        assert again.batches("1-runs") == [BATCH]
        assert again.batches("1-runs", undone=True) == []
        assert [audit.difference for audit in again.audits()] == ["", "other bits"]
    finally:
        again.close()


def test_reused_settings_have_the_result_of_the_run_that_stands_for_them(store: Store):
    shares = share(PLAN)
    reused = next(one for one in shares if one.kind)
    store.finish(replace(BATCH, numbers=(reused.run,)), DONE[:1])
    row = store.rows()[reused.number]
    assert (row.outcome, row.reused, row.run, row.key) == (DONE[0], "bits", reused.run, reused.key)
    connection = sqlite3.connect(str(store.path))
    found = connection.execute("SELECT final_loss, reused FROM results WHERE number = ?", (reused.number,)).fetchone()
    connection.close()
    assert found == (0.5, "bits")


def test_what_was_noted_is_not_noted_twice(store: Store):
    store.add([BATCH])
    store.add([replace(BATCH, numbers=(5,))])
    assert store.batches("1-runs") == [BATCH]


def test_failed_settings_are_run_again(store: Store):
    store.add([BATCH])
    store.finish(BATCH, [DONE[0], Outcome("failed", math.nan, message="no memory")])
    store.reopen_failed()
    assert store.batches("1-runs", undone=True) == [BATCH]
    store.finish(BATCH, [DONE[0], DONE[0]])
    store.reopen_failed()
    assert store.batches("1-runs", undone=True) == []


def test_a_diverged_run_promises_no_bits(store: Store):
    orbit = next(one.run for one in store.shares() if one.kind)
    store.finish(replace(BATCH, numbers=(orbit,)), DONE[1:])
    store.demote_diverged(rounding=True)
    assert {one.kind for one in store.shares() if one.run == orbit and one.number != orbit} == {"rounding"}
    store.demote_diverged(rounding=False)  # nothing is promised any more, so nothing changes
    assert {one.kind for one in store.shares() if one.run == orbit and one.number != orbit} == {"rounding"}


def test_without_rounding_the_settings_of_a_diverged_run_are_run_themselves(store: Store):
    orbit = next(one.run for one in store.shares() if one.kind)
    members = [one.number for one in store.shares() if one.run == orbit]
    store.finish(replace(BATCH, numbers=(orbit,)), DONE[1:])
    store.demote_diverged(rounding=False)
    shares = store.shares()
    assert all(shares[number].run == number and not shares[number].kind for number in members)


def test_a_store_of_another_plan_is_refused_and_says_what_differs(store: Store):
    other = sgd_plan(workload=Workload("quadratic", "half the square", "noise", 13, points=6))
    with pytest.raises(InputError, match=r"another plan \(its steps is 12, not 13\)"):
        store.check(other, OPTIONS)
    with pytest.raises(InputError, match=r"it has 28 settings, not 7"):
        store.check(sgd_plan(rates=[-3]), OPTIONS)
    with pytest.raises(InputError, match=r"it has other settings"):
        store.check(sgd_plan(rates=range(-7, -3)), OPTIONS)
    with pytest.raises(InputError, match=r"begun with rounding 'reuse', not 'run'"):
        store.check(PLAN, {"rounding": "run"})


def test_two_drivers_on_one_store(store: Store, place: Path):
    with pytest.raises(InputError, match="another sweep is at work on the store"):
        Store(place)
    assert store.begun()  # the first one is not disturbed
    store.close()
    Store(place).close()
    assert not place.with_name("runs.db-lock").exists()


def test_a_lock_whose_holder_was_killed_holds_nobody_up(place: Path):
    place.with_name("runs.db-lock").write_text("left behind")
    Lock(place).release()


def test_what_is_no_store_is_refused(tmp_path: Path):
    other = tmp_path / "other.db"
    connection = sqlite3.connect(other)
    connection.execute("CREATE TABLE precious (value)")
    connection.close()
    with pytest.raises(InputError, match="is a database, but no store"):
        Store(other)
    text = tmp_path / "notes.txt"
    text.write_text("these are my notes, not a database at all" * 50)
    with pytest.raises(InputError, match="is no store of a sweep"):
        Store(text)
    assert text.read_text().startswith("these are my notes")
    with pytest.raises(InputError, match="cannot be written"):
        Store(tmp_path / "missing" / "runs.db")
    with pytest.raises(InputError, match="cannot be used"):
        Store(tmp_path)


def test_a_full_disk_loses_nothing(place: Path, monkeypatch: pytest.MonkeyPatch):
    """SQLite itself says that there is no room, as it does on a full disk."""
    small = Store(place)
    small.begin(PLAN, share(PLAN), OPTIONS)
    small.add([BATCH])
    small.close()
    pages = len(place.read_bytes()) // 4096
    monkeypatch.setattr(database, "PREPARATION", (*database.PREPARATION, f"PRAGMA max_page_count={pages}"))
    full = Store(place)
    long = replace(DONE[0], curve=(0.1,) * 10_000)
    with pytest.raises(InputError, match=r"is full; free some space and go on with --resume"):
        full.finish(BATCH, [long, long])
    full.close()
    monkeypatch.undo()
    again = Store(place)
    assert again.outcomes() == {}
    assert again.batches("1-runs", undone=True) == [BATCH]
    again.finish(BATCH, [long, long])
    assert again.outcomes()[1] == long
    again.close()


def test_a_plan_is_begun_as_a_whole_or_not_at_all(place: Path):
    opened = Store(place)
    broken = [replace(one, number=0) for one in share(PLAN)]  # the second row breaks off what the first began
    with pytest.raises(InputError):
        opened.begin(PLAN, broken, OPTIONS)
    assert not opened.begun()
    opened.begin(PLAN, share(PLAN), OPTIONS)
    assert opened.begun()
    opened.close()


def test_in_memory_there_is_no_lock():
    one, other = Store(None), Store(None)
    assert not one.begun()
    assert not other.begun()
    one.close()
    other.close()

from pathlib import Path

import pytest

from lossgauge.experiments.kept_runs import KeptRuns


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def files(tmp_path: Path) -> list[Path]:
    return [path for path in tmp_path.rglob("*") if path.is_file()]


def test_what_was_kept_is_found_again_and_gone_at_the_end(tmp_path: Path):
    first = KeptRuns("some work")
    assert first.begin("digest") == {}
    first.keep("one", {"value": 1.5})
    first.keep("two", {"value": float("nan")})
    second = KeptRuns("some work")
    found = second.begin("digest")
    assert found["one"] == {"value": 1.5}
    assert set(found) == {"one", "two"}
    assert not second.discarded
    second.remove()
    assert not files(tmp_path)
    assert KeptRuns("some work").begin("digest") == {}


def test_another_work_and_another_training_find_nothing():
    KeptRuns("some work").begin("digest")
    KeptRuns("some work").keep("one", {"value": 1.5})
    assert KeptRuns("other work").begin("digest") == {}
    changed = KeptRuns("some work")
    assert changed.begin("other digest") == {}
    assert changed.discarded
    again = KeptRuns("some work")
    assert again.begin("other digest") == {}
    assert not again.discarded


def test_a_line_that_was_cut_off_is_ignored(tmp_path: Path):
    kept = KeptRuns("some work")
    kept.begin("digest")
    kept.keep("one", {"value": 1.5})
    with files(tmp_path)[0].open("a") as file:
        file.write('{"name": "two", "ru')
    assert set(KeptRuns("some work").begin("digest")) == {"one"}


def test_foreign_content_is_replaced(tmp_path: Path):
    kept = KeptRuns("some work")
    kept.begin("digest")
    files(tmp_path)[0].write_bytes(b"\xff\xfe[]\n3\n")
    assert KeptRuns("some work").begin("digest") == {}


def test_where_nothing_can_be_written_nothing_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    kept = KeptRuns("some work")
    assert kept.begin("digest") == {}
    kept.keep("one", {"value": 1.5})
    kept.remove()
    nothing = KeptRuns(None)
    assert nothing.begin("digest") == {}
    nothing.keep("one", {})
    nothing.remove()

"""Pictures: what the specifications say, and that they can be drawn."""

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lossgauge.errors import InputError
from lossgauge.reports import pictures
from lossgauge.reports.pictures import draw_courses, draw_epsilon, draw_layers, draw_thread, save_pictures
from tests.reports.thread_samples import asker, nadam

NAMES = {"nadam-and-epsilon", "askers-training", "askers-layers"}


def channels(spec: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for layer in spec["layer"]:
        yield from layer["encoding"].values()


def texts(spec: dict[str, Any]) -> list[str]:
    rows = [row for layer in spec["layer"] for row in layer["data"]["values"]]
    return [row["text"] for row in rows if "text" in row]


def test_every_picture_is_drawn_from_records():
    assert set(draw_thread([nadam(), asker()])) == NAMES
    assert set(draw_thread([nadam()])) == {"nadam-and-epsilon"}
    assert draw_thread([]) == {}


@pytest.mark.parametrize("spec", draw_thread([nadam(), asker()]).values(), ids=sorted(NAMES))
def test_a_picture_explains_itself(spec: dict[str, Any]):
    assert spec["title"]["text"]
    assert spec["title"]["subtitle"]
    titles = {channel["title"] for channel in channels(spec) if channel.get("title")}
    assert len(titles) == 2, "both axes are labelled in words, with the same words in every layer"
    assert all(len(title) > 3 for title in titles)
    assert json.loads(json.dumps(spec, allow_nan=False)) == spec


def test_the_asker_is_marked_only_where_his_numbers_are_known():
    assert "the asker’s network" in texts(draw_epsilon(nadam(), asker()))
    assert "the asker’s network" not in texts(draw_epsilon(nadam()))


def test_words_follow_what_was_measured():
    assert "exactly 0" in draw_epsilon(nadam())["title"]["subtitle"][0]
    assert "exactly 0" not in draw_epsilon(nadam(identical=False))["title"]["subtitle"][0]
    assert "agree in every bit" in draw_courses(asker())["title"]["subtitle"][1]
    assert "do not agree" in draw_courses(asker(bits=False))["title"]["subtitle"][1]


def test_titles_follow_what_was_measured():
    harmless = replace(nadam(), holds=True)
    other = replace(asker(), holds=False)
    assert "only where" in draw_epsilon(nadam())["title"]["text"]
    assert "only where" not in draw_epsilon(harmless)["title"]["text"]
    assert "does what" in draw_courses(asker())["title"]["text"]
    assert "does what" not in draw_courses(other)["title"]["text"]
    other.evidence["layers"][0]["untouched"] = 100.0
    assert "holds back" in draw_layers(asker())["title"]["text"]
    assert "holds back" not in draw_layers(other)["title"]["text"]


def test_a_curve_ends_where_it_is_not_finite():
    lines = [layer for layer in draw_courses(asker())["layer"] if layer["mark"]["type"] == "line"]
    assert len(lines) == 6
    assert all([row["step"] for row in line["data"]["values"]] == [1, 10, 1200] for line in lines)


def test_colours_differ_within_a_picture():
    for spec in (draw_epsilon(nadam()), draw_courses(asker()), draw_layers(asker())):
        ranges = [channel["scale"]["range"] for channel in channels(spec) if "range" in channel.get("scale", {})]
        assert all(len(set(colours)) == len(colours) for colours in ranges)


@pytest.mark.parametrize(("power", "text"), [(-9, "10⁻⁹"), (-2, "0.01"), (0, "1"), (3, "1000"), (6, "10⁶")])
def test_powers_of_ten_are_written_as_such(power: int, text: str):
    assert pictures._power(power) == text


def test_pictures_are_saved(tmp_path: Path):
    pytest.importorskip("vl_convert")
    written = save_pictures(draw_thread([nadam(), asker()]), tmp_path / "new" / "folder")
    assert {path.name for path in written} == {f"{name}.{kind}" for name in NAMES for kind in ("svg", "png")}
    assert all(path.stat().st_size > 5000 for path in written)
    svg = (tmp_path / "new" / "folder" / "nadam-and-epsilon.svg").read_text(encoding="utf-8")
    assert svg.startswith("<svg")
    assert "relative change" in svg


def test_a_missing_converter_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    with pytest.raises(InputError, match=r"pip install 'lossgauge\[pictures\]'") as caught:
        save_pictures(draw_thread([nadam()]), tmp_path)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_one_clear_line(tmp_path: Path):
    pytest.importorskip("vl_convert")
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot write pictures"):
        save_pictures(draw_thread([nadam()]), tmp_path / "file")

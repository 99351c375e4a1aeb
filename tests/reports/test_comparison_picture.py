from pathlib import Path
from typing import Any

import pytest

from lossgauge.errors import InputError
from lossgauge.reports.comparison_picture import draw_comparison, save_picture
from tests.reports.comparison_samples import comparison


def test_every_point_is_drawn_in_both_panels():
    picture = draw_comparison(comparison())
    values = picture["data"]["values"]
    assert [(value["name"][13:14], value["step"], value["alpha_eff"]) for value in values] == [
        ("A", 0, 0.8), ("A", 200, 0.4), ("B", 0, 0.8)
    ], "a point whose share is not known has no place"  # fmt: skip
    fields = [panel["layer"][-1]["encoding"]["y"]["field"] for panel in picture["vconcat"]]
    assert fields == ["alpha_eff", "cos2"]
    assert picture["title"]["text"] == "cross-entropy → focal:gamma=2: mostly a factor (75 %)"


def test_without_a_training_there_is_nothing_to_draw():
    with pytest.raises(InputError, match="nothing was trained"):
        draw_comparison(comparison(trained=False))


@pytest.mark.parametrize(("ending", "begin"), [("svg", b"<svg"), ("png", b"\x89PNG"), ("SVG", b"<svg")])
def test_it_can_be_saved(ending: str, begin: bytes, tmp_path: Path):
    pytest.importorskip("vl_convert")
    save_picture(draw_comparison(comparison()), tmp_path / f"x.{ending}")
    assert (tmp_path / f"x.{ending}").read_bytes().startswith(begin)


def test_what_cannot_be_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("vl_convert")
    picture: dict[str, Any] = draw_comparison(comparison())
    with pytest.raises(InputError, match=r"ends in \.svg or \.png"):
        save_picture(picture, tmp_path / "x.gif")
    with pytest.raises(InputError, match="cannot write"):
        save_picture(picture, tmp_path / "missing" / "x.svg")
    monkeypatch.setitem(__import__("sys").modules, "vl_convert", None)
    with pytest.raises(InputError, match=r"lossgauge\[pictures\]"):
        save_picture(picture, tmp_path / "x.svg")

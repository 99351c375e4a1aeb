"""The pictures of a sweep as a whole."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lossgauge.reports.pictures import save_pictures
from lossgauge.reports.sweep_pictures import FORMATS, OVERVIEW, RATES, draw_sweep
from tests.reports.sweeping.samples import adam, adam_epsilon, formats, sgd

ROWS = [*sgd(), *adam(), *adam_epsilon(), *formats({"float64": (-99, 99), "float16": (-8, 8)})]
NAMES = {OVERVIEW, RATES, FORMATS, "collapse-sgd-lr", "collapse-adam-eps"}


def channels(spec: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for key in ("concat", "hconcat", "vconcat", "layer"):
        for part in spec.get(key, ()):
            yield from channels(part)
    yield from spec.get("encoding", {}).values()


def test_what_there_are_numbers_for_is_drawn():
    assert set(draw_sweep(ROWS)) == NAMES
    assert set(draw_sweep(sgd())) == {RATES, "collapse-sgd-lr"}
    assert draw_sweep([]) == {}


@pytest.mark.parametrize("name", sorted(NAMES))
def test_a_picture_explains_itself(name: str):
    spec = draw_sweep(ROWS)[name]
    assert spec["title"]["text"]
    assert spec["title"]["subtitle"]
    titles = {channel["title"] for channel in channels(spec) if channel.get("title")}
    assert len(titles) >= 2, "both axes are labelled in words"
    assert json.loads(json.dumps(spec, allow_nan=False)) == spec


def test_pictures_are_saved(tmp_path: Path):
    pytest.importorskip("vl_convert")
    written = save_pictures(draw_sweep(ROWS), tmp_path)
    assert {path.name for path in written} == {f"{name}.{kind}" for name in NAMES for kind in ("svg", "png")}
    assert all(path.stat().st_size > 5000 for path in written)
    assert "one curve over" in (tmp_path / "collapse-sgd-lr.svg").read_text(encoding="utf-8")

"""Where number formats end."""

from typing import Any

from lossgauge.reports.sweeping.formats import draw_formats, find_window, say_windows
from lossgauge.reports.sweeping.row import law_in_table
from tests.reports.sweeping.samples import adam, formats, known, sgd

WINDOWS = {"float64": (-99, 99), "float32": (-28, 32), "bfloat16": (-28, 32), "float16": (-12, 99)}


def drawn(windows: dict[str, tuple[int, int]]) -> dict[str, Any]:
    spec = draw_formats(known(formats(windows)), law_in_table)
    assert spec is not None
    return spec


def test_the_title_gives_the_window_of_each_format():
    title = " ".join(drawn(WINDOWS)["title"]["text"])
    assert title.endswith(
        "float64 everywhere, float32 and bfloat16 from 2⁻²⁸ to 2³², float16 from 2⁻¹² on"
    )  # fmt: skip
    assert title.startswith("Adam trains the same")


def test_another_window_is_another_title():
    narrow = WINDOWS | {"float16": (-8, 4), "float32": (-99, 32)}
    title = " ".join(drawn(narrow)["title"]["text"])
    assert "float16 from 2⁻⁸ to 2⁴" in title
    assert "float32 up to 2³²" in title


def test_a_format_that_trains_nowhere_has_no_window():
    rows = known(formats({"float16": (90, 99)}))
    nowhere = [row._replace(outcome=row.outcome.__class__("diverged", float("nan"))) for row in rows]
    assert find_window(nowhere) is None
    assert say_windows([], twos=True) == ""


def test_bars_are_the_windows():
    bars = drawn(WINDOWS)["vconcat"][1]["layer"][0]["data"]["values"]
    assert [(bar["format"], bar["low"], bar["high"]) for bar in bars] == [
        ("float64", -40, 40),
        ("float32", -28, 32),
        ("bfloat16", -28, 32),
        ("float16", -12, 40),
    ]


def test_what_moves_with_alpha_is_said():
    assert drawn(WINDOWS)["title"]["subtitle"][0].startswith("ε moves with α")


def test_without_co_scaled_trainings_in_several_formats_there_is_no_picture():
    assert draw_formats(known(formats({"float32": (-9, 9)})), law_in_table) is None
    assert draw_formats(known([*sgd(), *adam()]), law_in_table) is None
    assert draw_formats(known(formats(WINDOWS)), lambda setting: None) is None

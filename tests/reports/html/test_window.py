import pytest

from lossgauge.records.session import Session
from lossgauge.reports.html.chart import Chart
from lossgauge.reports.html.window import draw_window
from lossgauge.reports.windows import read_windows
from tests.reports.sessions import Case, clipped, eps_dominated, half_underflow, healthy, window


def draw(case: Case) -> Chart:
    chart = draw_window(case[0], read_windows(case[1].to_dict()))
    assert chart is not None
    return chart


def labels(chart: Chart) -> list[str]:
    return chart.spec["layer"][0]["encoding"]["y"]["scale"]["domain"]


def texts(chart: Chart) -> list[str]:
    rows = [row for layer in chart.spec["layer"] if layer["mark"]["type"] == "text" for row in layer["data"]["values"]]
    return [row["text"] for row in rows]


def test_rows_are_remedies_everything_and_tensors():
    chart = draw(eps_dominated())
    assert labels(chart)[:4] == ["✓ eps / 1e5", "✓ loss × 1e5", "everything", "layers.0.weight"]
    assert len(labels(chart)) == 3 + 14
    assert "ε-dominated" in texts(chart)
    assert "loss 9.75e-7 → 3.55e-9" in texts(chart)
    assert "you are here, and where remedies take you" in texts(chart)


def test_a_trial_that_is_no_move_has_no_row():
    session = eps_dominated()[0]
    assert len(session.trials) == 3
    assert not any("lr" in label for label in labels(draw(eps_dominated())))


def test_the_scale_of_mixed_precision_is_a_move():
    assert labels(draw(half_underflow()))[:2] == ["✓ scale × 65536", "✗ loss × 1024"]


def test_arrows_lead_from_today_to_the_place():
    chart = draw(eps_dominated())
    arrows = next(layer for layer in chart.spec["layer"] if layer["encoding"].get("tooltip") and "helped" in
                  layer["data"]["values"][0])  # fmt: skip
    assert [(round(row["low"], 6), round(row["high"], 6)) for row in arrows["data"]["values"]] == [(0, 5), (0, 5)]


def test_many_tensors_are_summed_up():
    chart = draw(healthy())
    assert len(labels(chart)) == 1 + 24 + 1
    assert labels(chart)[-1] == "the other 12 tensors"
    assert "Of 36 tensors, the 24 that are nearest to a limit" in chart.caption


def test_those_nearest_to_a_limit_are_kept():
    windows = [("all", window("all", -100, -16, None, 130).limits)]
    windows += [(f"t{i}", window("x", -100, -3 if i == 35 else -20, None, 130).limits) for i in range(40)]
    chart = draw_window(Session(), windows)
    assert chart is not None
    assert "t35" in labels(chart)


def test_bands_stay_on_the_picture_and_meet():
    chart = draw(clipped())
    along = chart.spec["layer"][0]["encoding"]["x"]["scale"]["domain"]
    pieces = [
        row for layer in chart.spec["layer"] if layer["mark"]["type"] == "rect" for row in layer["data"]["values"]
    ]
    assert all(along[0] <= row["low"] <= row["high"] <= along[1] for row in pieces)
    clip = sorted((row["low"], row["high"]) for row in pieces if row["row"] == "everything" and "tip" in row)
    assert [low for low, _ in clip[1:]] == [high for _, high in clip[:-1]]
    assert clip[-1][1] == along[1]
    assert [text for _, text in chart.legend] == ["safe", "clipped"]


@pytest.mark.parametrize("names", [(), ("all",), ("all", "a")])
def test_no_limits_no_picture(names: tuple[str, ...]):
    assert draw_window(Session(), [(name, []) for name in names]) is None

import pytest
from rich.cells import cell_len
from rich.console import Console

from lossgauge.records.diagnosis import Limit
from lossgauge.reports.window_line import Mark, WindowLine
from tests.reports.test_text_explain import show

LIMITS = [Limit("epsilon", 13, 20, 5), Limit("clip", 30, 29, 31), Limit("overflow", 144, 140, 149)]


def test_the_band_reads_from_left_to_right():
    axis, band, here, legend, *_ = show(WindowLine(LIMITS)).splitlines()
    assert "".join(dict.fromkeys(band)) == "ε─c"
    assert here.index("▲") == axis.index(" 1 ") + 1, "today stands under the 1 of the axis"
    assert band[here.index("▲")] == "ε"
    assert legend.startswith("ε ε-dominated · ─ safe · c clipped · overflow only above")


def test_marks_point_at_their_place():
    lines = show(WindowLine(LIMITS, [Mark(6.0, "✓ eps / 1e6")])).splitlines()
    mark = next(line for line in lines if "eps" in line)
    assert lines[1][mark.index("▲")] == "─"
    assert mark.index("▲") > lines[2].index("▲")


def test_two_limits_at_once_alternate():
    crossed = [Limit("epsilon", 20, 21, 19), Limit("clip", -20, -21, -19)]
    line = show(WindowLine(crossed)).splitlines()[1]
    assert "εcεcεc" in line
    assert "─" not in line


@pytest.mark.parametrize("width", [24, 40, 60, 80, 200])
def test_it_fits_wherever_it_is_shown(width: int):
    console = Console(width=width, color_system=None)
    marks = [Mark(6.0, "a long text that says what happened"), Mark(-5.0, "another long text that says what happened")]
    with console.capture() as shown:
        console.print(WindowLine(LIMITS, marks))
    lines = shown.get().splitlines()
    assert max(map(cell_len, lines)) <= min(width, 200)
    assert sum("▲" in line for line in lines) == 3
    assert len(lines[1].rstrip()) == min(width, 76)

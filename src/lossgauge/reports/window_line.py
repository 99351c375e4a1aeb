"""The window of α in the terminal: a band of letters over powers of ten, you, and where tried remedies take you."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from lossgauge.records.diagnosis import Limit
from lossgauge.reports.numbers import spell_ten
from lossgauge.reports.windows import TITLES, Span, choose_span, share_beyond, tell_far_limits, zones_at

LETTERS = {"underflow": "0", "epsilon": "ε", "safe": "─", "clip": "c", "overflow": "∞"}
STYLES = {"underflow": "red", "epsilon": "yellow", "safe": "green", "clip": "blue", "overflow": "magenta"}
HERE = "you are here"
WIDEST = 76


@dataclass(frozen=True)
class Mark:
    """A place on the axis.

    Args:
        decades: log10 of α there.
        text: What to say about it.
        style: Its rich style.
    """

    decades: float
    text: str
    style: str = ""


class WindowLine:
    """The picture; as wide as the terminal lets it, and no wider than 76 columns."""

    def __init__(self, limits: Sequence[Limit], marks: Iterable[Mark] = ()) -> None:
        """Prepare it.

        Args:
            limits: The limits on α.
            marks: Places beside today's.
        """
        self._limits = limits
        self._marks = [Mark(0.0, HERE, "bold"), *marks]
        self._span = choose_span([limits], [mark.decades for mark in self._marks])

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The lines, top to bottom."""
        columns = max(min(options.max_width, WIDEST), 20)
        band = [self._zone(column, columns) for column in range(columns)]
        yield _label_axis(self._span, columns)
        yield Text().join(Text(letter, style=style) for letter, style in band)
        for mark in self._marks:
            yield _point(mark, _column(mark.decades, self._span, columns), columns)
        yield Text(self._legend(band), style="dim")

    def _zone(self, column: int, columns: int) -> tuple[str, str]:
        decades = self._span.low + (column + 0.5) / columns * self._span.width
        names = zones_at(self._limits, decades) or ["safe"]
        name = names[column % len(names)]  # two limits at once alternate
        soft = any(0.01 < share_beyond(limit, decades) < 0.99 for limit in self._limits)
        return LETTERS[name], STYLES[name] + (" dim" if soft else "")

    def _legend(self, band: Sequence[tuple[str, str]]) -> str:
        shown = {letter for letter, _ in band}
        words = [f"{LETTERS[name]} {title}" for name, title in TITLES.items() if LETTERS[name] in shown]
        return " · ".join(words + tell_far_limits(self._limits, self._span))


def _label_axis(span: Span, columns: int) -> Text:
    """Powers of ten above the columns they stand for, as many as there is room for; 1 is always among them."""
    room = max(math.ceil(span.width * 8 / columns), 1)
    line, end = "", 0
    powers = [power for power in range(int(span.low), int(span.high) + 1) if power % room == 0]
    for power in powers:
        label = spell_ten(power)
        start = min(max(_column(power, span, columns) - cell_len(label) // 2, 0), columns - cell_len(label))
        if start >= end:
            line += " " * (start - len(line)) + label
            end = len(line) + 1
    return Text(line, style="dim")


def _column(decades: float, span: Span, columns: int) -> int:
    return min(max(int((decades - span.low) / span.width * columns), 0), columns - 1)


def _point(mark: Mark, column: int, columns: int) -> Text:
    """`▲ text` under its column, the text on the side where it fits."""
    room = columns - column - 2
    if cell_len(mark.text) <= room:
        return Text(f"{' ' * column}▲ {mark.text}", style=mark.style)
    if cell_len(mark.text) + 1 <= column:
        return Text(f"{mark.text} ▲".rjust(column + 1), style=mark.style)
    side = mark.text[: max(room - 1, 0)] + "…" if room >= column else "…" + mark.text[-max(column - 2, 1) :]
    return Text(f"{' ' * column}▲ {side}" if room >= column else f"{side} ▲".rjust(column + 1), style=mark.style)

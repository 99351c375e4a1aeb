"""The table of the thread."""

from typing import Any

from rich.console import Console

from lossgauge.reports.thread_table import render_thread
from tests.reports.thread_samples import asker, nadam, optimizers, untested


def show(*statements: Any, pictures: tuple[str, ...] = (), width: int = 80) -> str:
    console = Console(width=width, color_system=None, record=True, markup=False)
    plain = {"statements": [s.to_dict() for s in statements], "pictures": list(pictures), "seconds": 12.3}
    with console.capture() as capture:
        console.print(render_thread(plain))
    return capture.get()


def test_the_table_fits_80_columns():
    text = show(nadam(), asker(), optimizers())
    assert max(len(line) for line in text.splitlines()) <= 80
    for word in (
        "the answer: Nothing changes.",
        "✗ false",
        "✓ no: it is ε",
        "measured",
        "3 of 3 statements tested in 12 s",
    ):
        assert word in text


def test_the_laws_are_shown_in_full():
    text = show(optimizers())
    lines = {line.split()[0]: line for line in text.splitlines() if line.strip()}
    assert "lr·α" in lines["SGD"]
    assert "nothing changes" in lines["Rprop"]
    assert "no settings do the same" in lines["RAdam"]
    assert "BROKEN" in lines["RAdam"]


def test_what_was_not_tested_says_so():
    text = show(nadam(), untested())
    assert "? not tested" in text
    assert "1 of 2 statements tested" in text
    assert "in full" not in text


def test_pictures_are_named_once():
    text = show(nadam(), pictures=("out/a.svg", "out/a.png"))
    assert "out/a.svg" in text
    assert "out/a.png" not in text


def test_brackets_are_text():
    from dataclasses import replace

    assert "[red]x[/red]" in show(replace(nadam(), measured="[red]x[/red]"))

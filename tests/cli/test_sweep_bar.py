import io
import re
from collections.abc import Callable

import pytest
from rich.console import Console

from lossgauge.cli import sweep_bar
from lossgauge.cli.sweep_bar import show_progress
from lossgauge.experiments.sweeping.driver import Course
from lossgauge.verbs.sweep import Watcher


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """What stands at the end on standard error, at 80 columns."""

    def show(*told: Course | int, terminal: bool = True) -> str:
        output = io.StringIO()
        console = Console(file=output, force_terminal=terminal, width=80)
        monkeypatch.setattr(sweep_bar, "Console", lambda stderr: console)
        with show_progress() as watcher:
            _tell(watcher, *told)
        text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", output.getvalue())
        assert all(len(line) <= 80 for line in re.split(r"[\r\n]", text))
        return text

    return show


def _tell(watcher: Watcher, *told: Course | int) -> None:
    for word in told:
        if isinstance(word, Course):
            watcher.course(word)
        else:
            watcher.steps(word)


def training(done: int) -> Course:
    return Course("training", done, 8, 10)


def test_steps_move_the_bar_between_tasks(shown: Callable[..., str]):
    assert "3/8 runs" in shown(training(0), 30, training(2))
    assert "5/8 runs" in shown(training(0), 30, training(5))


def test_what_was_in_vain_is_not_counted_beyond_the_end(shown: Callable[..., str]):
    assert "8/8 runs" in shown(training(0), 1000, training(8))
    assert "8/8 runs" in shown(training(0), 1000)


def test_each_part_has_its_bar_and_nothing_is_counted_before_the_first(shown: Callable[..., str]):
    text = shown(50, training(0), training(8), Course("auditing", 1, 2, 10))
    assert "training" in text
    assert "8/8 runs" in text
    assert "auditing" in text
    assert "1/2 runs" in text


def test_it_is_silent_where_nobody_looks(shown: Callable[..., str]):
    assert not shown(training(0), training(8), terminal=False).strip()

"""The progress of a sweep on standard error: one bar for each of its parts, with rate and time left."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

from lossgauge.verbs.sweep import Course, Watcher


@contextmanager
def show_progress() -> Iterator[Watcher]:
    """Show bars while something is done; silent when standard error is not a terminal.

    Yields:
        What to tell how far it is.
    """
    errors = Console(stderr=True)
    columns = (
        TextColumn("{task.description:<19}", markup=False),
        BarColumn(20),
        _Count(),
        TimeRemainingColumn(compact=True),
    )
    with Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal) as bars:
        meter = _Meter(bars)
        yield Watcher(meter.reach, meter.advance)


class _Count(ProgressColumn):
    """Runs done, of how many, and how many in a second."""

    def render(self, task: Task) -> Text:
        rate = f" {task.speed:.3g}/s" if task.speed else ""
        whole = int(task.total or 0)
        return Text(
            f"{min(int(task.completed), whole)}/{whole} runs{rate}"
        )  # steps of a vain attempt count for nothing


class _Meter:
    """Moves the bars: by steps within a task, and exactly when a task is done."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}
        self._course = Course("", 0, 0, 1)

    def reach(self, course: Course) -> None:
        if course.purpose not in self._tasks:
            self._tasks[course.purpose] = self._bars.add_task(course.purpose, total=course.of)
        completed = self._bars.tasks[self._tasks[course.purpose]].completed
        self._course = course
        # Tasks beside the one that is done have come some way too; only an attempt that was in vain goes too far.
        self._bars.update(self._tasks[course.purpose], completed=min(max(completed, course.done), course.of))

    def advance(self, steps: int) -> None:
        if self._course.purpose in self._tasks:
            self._bars.update(self._tasks[self._course.purpose], advance=steps / self._course.steps)

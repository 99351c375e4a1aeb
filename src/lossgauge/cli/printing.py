"""How commands answer: one JSON document or a report, always on standard output."""

import json
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from lossgauge.laws.verdict import Verdict

if TYPE_CHECKING:
    from rich.console import RenderableType

WIDEST = 100
"""Lines longer than this are hard to read, however wide the terminal."""


def answer(plain: Mapping[str, Any], render: "Callable[[Mapping[str, Any]], RenderableType]", as_json: bool) -> None:
    """Print a record.

    Args:
        plain: The record as plain data.
        render: Makes a report of it.
        as_json: Whether to print the record itself, as one JSON document.
    """
    if as_json:
        print(json.dumps(_speakable(plain), indent=2, ensure_ascii=False, allow_nan=False))
        return
    from rich.console import Console

    console = Console(highlight=False, markup=False, emoji=False)
    console.width = min(console.width, WIDEST)
    console.print(render(plain))


@contextmanager
def working(text: str) -> Iterator[None]:
    """Say on standard error that something takes its time; silent when that is not a terminal.

    Args:
        text: What is being done.

    Yields:
        Nothing.
    """
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    with Console(stderr=True, markup=False).status(text):
        yield


@contextmanager
def stages() -> Iterator[Callable[[str], None]]:
    """Tell on standard error which part of a long work is under way; silent when that is not a terminal.

    Yields:
        A function to call with the name of each part as it begins.
    """
    if not sys.stderr.isatty():
        yield lambda stage: None
        return
    from rich.console import Console

    console = Console(stderr=True, markup=False, highlight=False)
    done = 0

    def tell(stage: str) -> None:
        nonlocal done
        done += 1
        console.print(f"run {done}: {stage}", style="dim")

    yield tell


@contextmanager
def status() -> Iterator[Callable[[str], None]]:
    """Show on standard error, in one line that changes, what is under way; silent when that is not a terminal.

    Yields:
        A function to call with what is under way. Nothing is shown before it is called for the first time, so that what
        others print meanwhile stays as it is.
    """
    if not sys.stderr.isatty():
        yield lambda text: None
        return
    from rich.console import Console
    from rich.markup import escape

    line = Console(stderr=True, highlight=False).status("")

    def tell(text: str) -> None:
        line.update(escape(text))
        line.start()

    try:
        yield tell
    finally:
        line.stop()


def _speakable(value: Any) -> Any:
    """JSON has no infinity and no NaN: they are written as text."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, Mapping):
        return {str(name): _speakable(item) for name, item in cast("Mapping[Any, Any]", value).items()}
    if isinstance(value, (list, tuple)):
        return [_speakable(item) for item in cast("Sequence[Any]", value)]
    return value


def exit_code(verdict: str) -> int:
    """What a command returns after it has answered.

    Args:
        verdict: One of the five words.

    Returns:
        1 for BROKEN and UNDECIDED, else 0.
    """
    return int(verdict in (Verdict.BROKEN, Verdict.UNDECIDED))

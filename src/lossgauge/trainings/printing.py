"""Keeping what a function prints while it goes on being shown."""

import io
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout


class _Kept(io.StringIO):
    """Takes text and hands it on."""

    def __init__(self, shown: io.TextIOBase) -> None:
        super().__init__()
        self.shown = shown

    def write(self, text: str) -> int:
        super().write(text)
        return self.shown.write(text)

    def flush(self) -> None:
        self.shown.flush()


@contextmanager
def keeping_output(asked: bool) -> Iterator[Callable[[], str]]:
    """Keep what is printed to standard output, and to standard error, where loggers write.

    Args:
        asked: Whether it is wanted; if not, nothing is put in place.

    Yields:
        What gives the text so far, that of standard output last.
    """
    if not asked:
        yield str
        return
    printed, complained = _Kept(sys.stdout), _Kept(sys.stderr)  # pyright: ignore[reportArgumentType]  # any stream
    with redirect_stdout(printed), redirect_stderr(complained):
        yield lambda: complained.getvalue() + printed.getvalue()

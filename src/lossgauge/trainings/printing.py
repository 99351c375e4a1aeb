"""Keeping what a function prints while it goes on being shown."""

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout


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
def keeping_output(asked: bool) -> Iterator[io.StringIO]:
    """Keep what is printed to standard output.

    Args:
        asked: Whether it is wanted; if not, nothing is put in place.

    Yields:
        What holds the text.
    """
    if not asked:
        yield io.StringIO()
        return
    kept = _Kept(sys.stdout)  # pyright: ignore[reportArgumentType]  # any text stream will do
    with redirect_stdout(kept):
        yield kept

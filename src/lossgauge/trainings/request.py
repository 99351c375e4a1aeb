"""What a child process is asked to do, and what it answers: files in a folder of their own, two of them JSON."""

import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from lossgauge.errors import InputError

REQUEST, ANSWER = "request.json", "answer.json"
WEIGHTS, PRINTED, COMPLAINED = "weights.bin", "printed.txt", "complained.txt"
NO_PLACE = "temporary files cannot be written ({}); set TMPDIR to a folder you may write to"


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A folder that is gone afterwards.

    Yields:
        Its path.

    Raises:
        InputError: When there is no place for one.
    """
    with ExitStack() as stack:
        try:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="lossgauge-", ignore_cleanup_errors=True))
        except OSError as error:
            raise InputError(NO_PLACE.format(error.strerror or error)) from error
        yield Path(folder)


def write_request(folder: Path, request: Mapping[str, Any]) -> Path:
    """Write a request.

    Args:
        folder: Where; one folder holds one request.
        request: Plain data.

    Returns:
        The file.

    Raises:
        InputError: When it cannot be written.
    """
    place = folder / REQUEST
    try:
        folder.mkdir(exist_ok=True)
        place.write_text(json.dumps(request), encoding="utf-8")
    except OSError as error:
        raise InputError(NO_PLACE.format(error.strerror or error)) from error
    return place


def write_answer(place: str | Path, answer: Mapping[str, Any]) -> None:
    """Write the answer to a request, all of it or nothing.

    Args:
        place: The file of the request.
        answer: Plain data.
    """
    draft = Path(place).with_name(f"{ANSWER}.draft")
    draft.write_text(json.dumps(answer), encoding="utf-8")
    draft.replace(draft.with_name(ANSWER))


def read_answer(folder: Path) -> dict[str, Any] | None:
    """Read the answer to a request.

    Args:
        folder: Where the request is.

    Returns:
        Plain data; None where the child ended before it answered.
    """
    try:
        return json.loads((folder / ANSWER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def read_printed(folder: Path, name: str = PRINTED) -> str:
    """What a child printed, where that was kept.

    Args:
        folder: Where the request is.
        name: `PRINTED` for its standard output, `COMPLAINED` for its standard error.

    Returns:
        The text; empty where nothing was kept.
    """
    try:
        return (folder / name).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def read_weights(folder: Path) -> tuple[bytes, bytes] | None:
    """The weights a child kept.

    Args:
        folder: Where the request is.

    Returns:
        Those before the first step and those after the last, as float64 bytes; None where none were kept.
    """
    try:
        content = (folder / WEIGHTS).read_bytes()
    except OSError:
        return None
    half = len(content) // 2
    return content[:half], content[half:]

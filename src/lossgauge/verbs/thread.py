"""`thread`: every statement of the seed thread, tested on this machine."""

import importlib
import warnings
from collections.abc import Callable
from pathlib import Path

from lossgauge.errors import InputError
from lossgauge.records.statement import Statement
from lossgauge.reports.pictures import draw_thread, save_pictures


def thread(output: str | Path | None = "out", progress: Callable[[float, str], None] | None = None) -> list[Statement]:
    """Test what was said in the seed thread about multiplying a loss by a constant.

    The thread is https://stats.stackexchange.com/questions/346299. It takes about half a minute on one core.

    Args:
        output: The folder for the pictures (SVG and PNG); None draws none. Without the extra `pictures` a warning
            says what to install.
        progress: Called with the part done, 0 to 1, and the title of what comes next.

    Returns:
        The statements in the order of the thread, with verdicts and evidence measured just now.

    Raises:
        InputError: When torch is not installed.
        ModuleNotFoundError: When some other part of the installation is missing.
    """
    try:
        session = importlib.import_module("lossgauge.demonstration.session")
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise InputError(
            "thread trains with torch, which is missing; install it: pip install 'lossgauge[torch]'"
        ) from None
    statements: list[Statement] = session.try_statements(progress)
    if output is not None:
        try:
            save_pictures(draw_thread(statements), Path(output))
        except InputError as error:
            warnings.warn(str(error), stacklevel=2)  # half a minute of results is worth more than its pictures
    return statements

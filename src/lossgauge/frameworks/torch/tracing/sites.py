"""Which line of the optimizer's own code is running."""

import linecache
import os
import sys
from types import FrameType

import torch

from lossgauge.units.equation import Site

_HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_VEHICLES = os.path.join(_HERE, "vehicles.py")
_TORCH = os.path.dirname(os.path.abspath(torch.__file__))
_READABLE = tuple(os.path.join(_TORCH, *part) for part in (("optim",), ("nn", "utils")))
_INNER = {os.path.join(_TORCH, "optim", "optimizer.py"), os.path.join(_TORCH, "optim", "_functional_wrappers.py")}

LONGEST_LINE = 160
"""Characters of source shown for one place."""


def running_line() -> Site:
    """The line of the optimizer's own code that is running.

    Returns:
        The innermost frame outside torch's internals and outside lossgauge.
    """
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and _foreign(frame.f_code.co_filename):
        frame = frame.f_back
    if frame is None:
        return Site("?", 0)
    first, last = _lines(frame)
    file = frame.f_code.co_filename
    code = " ".join(linecache.getline(file, line).strip() for line in range(first, last + 1))
    return Site(_shortened(file), first, _compact(code))


def _lines(frame: FrameType) -> tuple[int, int]:
    """First and last line of the expression that is running; calls may stand on several."""
    for place, (first, last, _, _) in enumerate(frame.f_code.co_positions()):
        if place == frame.f_lasti // 2 and first is not None and last is not None:
            return first, min(last, first + 8)
    return frame.f_lineno, frame.f_lineno


def _compact(code: str) -> str:
    text = code.replace("( ", "(").replace(" )", ")").replace(",)", ")")
    return text if len(text) <= LONGEST_LINE else text[: LONGEST_LINE - 1] + "…"


def _foreign(file: str) -> bool:
    if file.startswith(_HERE):
        return file != _VEHICLES
    if file.startswith("<"):
        return True
    if file.startswith(_TORCH):
        return file in _INNER or not file.startswith(_READABLE)
    return os.path.basename(os.path.dirname(file)).startswith("python3") or "/contextlib" in file


def _shortened(file: str) -> str:
    roots = sorted((os.path.abspath(p or ".") for p in sys.path), key=len, reverse=True)
    root = next((r for r in roots if file.startswith(r + os.sep)), None)
    return os.path.relpath(file, root) if root else file

"""Measurements for the tests of the session."""

import os
import time
from collections.abc import Callable
from typing import Any


def measure_in_parts(tick: Callable[[], None]) -> dict[str, Any]:
    for _ in range(3):
        tick()
    return {"so": True, "process": os.getpid()}


def sleep_for_ever(tick: Callable[[], None]) -> dict[str, Any]:
    time.sleep(600)
    return {}

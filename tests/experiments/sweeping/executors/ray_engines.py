"""Engines for the tests of the Ray executor: the real one, in workers that leave traces or end badly."""

import os
import signal
import time
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from lossgauge.frameworks.torch.stacking.engine import run_settings
from lossgauge.records.sweep import Outcome, Setting, Workload

FOLDER, NODE = "LOSSGAUGE_TEST_FOLDER", "LOSSGAUGE_TEST_NODE"
DEADLY = Fraction(8)
"""The worker that meets this α ends at once."""
SECONDS = 0.7


def traced(workload: Workload, settings: Sequence[Setting], **options: Any) -> list[Outcome]:
    """Say which node is at work on what, take a while, and do it."""
    name = f"{os.environ.get(NODE, 'none')}-{int(settings[0].alpha)}-{os.getpid()}"
    begun = Path(os.environ[FOLDER], f"begun-{name}")
    begun.touch()
    time.sleep(SECONDS)
    outcomes = run_settings(workload, settings, **options)
    begun.rename(begun.with_name(f"ended-{name}"))
    return outcomes


def deadly(workload: Workload, settings: Sequence[Setting], **options: Any) -> list[Outcome]:
    """End without a word at a certain α."""
    if any(setting.alpha == DEADLY for setting in settings):
        os.kill(os.getpid(), signal.SIGKILL)
    return run_settings(workload, settings, **options)


def placed(workload: Workload, settings: Sequence[Setting], **options: Any) -> list[Outcome]:
    """Say on which node a worker is."""
    time.sleep(SECONDS / 3)
    return [Outcome("finished", 0.0, engine=str(options["tier"]), message=os.environ[NODE]) for _ in settings]


def threads(workload: Workload, settings: Sequence[Setting], **options: Any) -> list[Outcome]:
    """Say with how many threads a worker computes, and where it stands."""
    import torch

    return [Outcome("finished", float(torch.get_num_threads()), message=os.getcwd()) for _ in settings]

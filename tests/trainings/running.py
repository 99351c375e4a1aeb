"""Running a script both ways: as `python` does, and under the gauge."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lossgauge.records.journal import read_session
from lossgauge.records.session import Session

DRIVER = """
import sys
from lossgauge.trainings.gauging import gauge_training
from lossgauge.trainings.script import Script
journal, module, name, *args = sys.argv[1:]
script = Script(name, tuple(args), module=bool(module))
run = gauge_training(script, journal, law_of="lossgauge.verbs.laws:law_of_optimizer")
sys.exit(f"signal {-run.exit_code}" if run.exit_code < 0 else run.exit_code)
"""
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


@dataclass(frozen=True)
class Printed:
    out: str
    err: str
    code: int


def begin(folder: Path, command: Sequence[str], stdin: str) -> subprocess.Popen[str]:
    with tempfile.TemporaryFile("w+") as given:
        given.write(stdin)
        given.seek(0)
        return subprocess.Popen(
            [sys.executable, *command],
            cwd=folder,
            stdin=given,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=ENVIRONMENT,
        )


def ended(process: subprocess.Popen[str]) -> Printed:
    try:
        out, err = process.communicate(timeout=200)
    finally:
        process.kill()
    by_signal = f"signal {-process.returncode}\n" if process.returncode < 0 else ""
    return Printed(out, err + by_signal, 1 if by_signal else process.returncode)


def as_python_does(name: str, args: Sequence[str], module: bool) -> list[str]:
    return [*(["-m"] if module else []), name, *args]


def under_the_gauge(journal: Path, name: str, args: Sequence[str], module: bool) -> list[str]:
    return ["-c", DRIVER, str(journal), "module" if module else "", name, *args]


def python(folder: Path, name: str, args: Sequence[str] = (), module: bool = False, stdin: str = "") -> Printed:
    return ended(begin(folder, as_python_does(name, args, module), stdin))


def gauged(
    folder: Path, name: str, args: Sequence[str] = (), module: bool = False, stdin: str = ""
) -> tuple[Printed, Session]:
    journal = folder.parent / f"{folder.name}.jsonl"
    return ended(begin(folder, under_the_gauge(journal, name, args, module), stdin)), read_session(journal)


def both(
    folder: Path, name: str, args: Sequence[str] = (), module: bool = False, stdin: str = ""
) -> tuple[Printed, Printed, Session]:
    """At the same time; neither knows of the other."""
    alone = begin(folder, as_python_does(name, args, module), stdin)
    under, session = gauged(folder, name, args, module, stdin)
    return ended(alone), under, session

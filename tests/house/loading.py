"""What a fresh interpreter loads, and how long it takes, when it imports a module."""

import os
import subprocess
import sys
from pathlib import Path
from statistics import median

PROGRAM = """
import sys, time
before = set(sys.modules)
start = time.perf_counter()
import {module}
print(time.perf_counter() - start, *sorted(set(sys.modules) - before))
"""


def import_fresh(module: str, folder: Path) -> tuple[float, set[str]]:
    """Seconds the import itself took, without the start of the interpreter, and the top-level modules it loaded."""
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(module=module)],
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=True,
    )
    seconds, *loaded = run.stdout.split()
    return float(seconds), {name.split(".")[0] for name in loaded}


def import_seconds(module: str, folder: Path, times: int = 5) -> float:
    return median(import_fresh(module, folder)[0] for _ in range(times))

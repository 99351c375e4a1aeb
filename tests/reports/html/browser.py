"""A page as a real browser sees it, where there is one: what it made of it, and what it complained about."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
COMPLAINT = re.compile(r":(?:INFO|WARNING|ERROR):CONSOLE[^ ]* (.*)")


def open_page(path: Path) -> tuple[str, list[str]]:
    """The document after its scripts have run, and every line they or the browser's rules wrote to the console."""
    program = next((found for name in PROGRAMS if (found := shutil.which(name))), None)
    if program is None:
        pytest.skip("there is no chromium")
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--virtual-time-budget=30000"]
    profile = f"--user-data-dir={path.parent / 'profile'}"
    run = subprocess.run(
        [program, *options, profile, "--dump-dom", path.as_uri()], capture_output=True, text=True, timeout=120
    )
    return run.stdout, COMPLAINT.findall(run.stderr)

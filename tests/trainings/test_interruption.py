"""Ctrl-C belongs to the script; who waits for it goes on waiting, and reads what was recorded."""

import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lossgauge.records.journal import read_session
from lossgauge.records.session import Ending
from tests.trainings.running import DRIVER, ENVIRONMENT

# On one line: the signal may come before the sleep begins.
PATIENT = "import time\nprint('begun', flush=True), time.sleep(60)\n"
STUBBORN = "import signal\nsignal.signal(signal.SIGINT, lambda *_: print('no', flush=True))\n" + PATIENT
COUNTING = """
import signal, time
count = 0
def interrupted(number, frame):
    global count
    count += 1
signal.signal(signal.SIGINT, interrupted)
print("begun", flush=True)
start = time.monotonic()
while time.monotonic() < start + 2:
    time.sleep(0.1)
print("interrupted", count)
"""


def command(folder: Path, text: str) -> list[str]:
    (folder / "train.py").write_text(text)
    return [sys.executable, "-c", DRIVER, str(folder / "session.jsonl"), "", str(folder / "train.py")]


def driven(folder: Path, text: str, act: Callable[[subprocess.Popen[str]], None]) -> tuple[str, str, int, Ending]:
    """Start a script under the gauge in a group of its own, without a terminal; once it prints, act."""
    process = subprocess.Popen(
        command(folder, text),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env=ENVIRONMENT,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    act(process)
    out, err = process.communicate(timeout=30)
    ending = read_session(folder / "session.jsonl").ending
    assert ending is not None
    return out, err, process.returncode, ending


def to_all(process: subprocess.Popen[str]) -> None:
    os.killpg(process.pid, signal.SIGINT)


def to_us(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGINT)


@pytest.mark.parametrize("act", [to_all, to_us])
def test_an_interrupted_script_is_read_to_its_end(tmp_path: Path, act: Callable[..., None]):
    _, err, _, ending = driven(tmp_path, PATIENT, act)
    assert ending.reason == "interrupted"
    assert err.startswith(f'Traceback (most recent call last):\n  File "{tmp_path}/train.py", line 2, in <module>\n')
    assert err.count("  File ") == 1  # the script's own frame and none of ours
    assert err.endswith("\nKeyboardInterrupt\nsignal 2\n")


def test_a_stubborn_script_is_killed_the_second_time(tmp_path: Path):
    def act(process: subprocess.Popen[str]) -> None:
        to_us(process)
        time.sleep(1)
        to_us(process)

    out, err, _, ending = driven(tmp_path, STUBBORN, act)
    assert out == "no\n"
    assert err == "signal 9\n"
    assert (ending.reason, ending.detail.partition(";")[0]) == ("killed", "the process was ended by SIGKILL")


def test_after_a_while_it_is_said_what_is_waited_for(tmp_path: Path):
    def act(process: subprocess.Popen[str]) -> None:
        to_us(process)
        time.sleep(6.5)
        to_us(process)

    _, err, _, _ = driven(tmp_path, STUBBORN, act)
    assert err.startswith("lossgauge: waiting for ")


def test_a_request_to_terminate_is_handed_on(tmp_path: Path):
    _, err, _, ending = driven(tmp_path, PATIENT, lambda process: process.terminate())
    assert err == "signal 15\n"
    assert ending.detail.startswith("the process was ended by SIGTERM")


CHECKPOINTING = """
import signal, sys
def save(number, frame):
    print("saved", number, flush=True)
    sys.exit(0)
for name in ("SIGUSR1", "SIGUSR2", "SIGHUP"):
    signal.signal(getattr(signal, name), save)
print("begun", flush=True)
while True:
    signal.pause()
"""


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP])
def test_what_asks_for_a_checkpoint_is_handed_on(tmp_path: Path, number: signal.Signals):
    out, _, code, _ = driven(tmp_path, CHECKPOINTING, lambda process: process.send_signal(number))
    assert f"saved {int(number)}" in out
    assert code == 0


def test_a_terminal_interrupts_the_script_once(tmp_path: Path):
    pid, terminal = pty.fork()
    if not pid:
        os.execve(sys.executable, command(tmp_path, COUNTING), ENVIRONMENT)
    said = b""
    while b"begun" not in said:
        said += os.read(terminal, 1024)
    os.write(terminal, b"\x03")
    while b"interrupted" not in said or not said.endswith(b"\n"):  # the line may come in pieces
        said += os.read(terminal, 1024)
    assert b"interrupted 1" in said
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_an_ignored_interruption_stays_ignored(tmp_path: Path):
    """As for a command that a shell has put in the background."""
    asked = command(tmp_path, COUNTING.replace("signal.signal(signal.SIGINT, interrupted)", ""))
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        process = subprocess.Popen(asked, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT, start_new_session=True)
    finally:
        signal.signal(signal.SIGINT, before)
    assert process.stdout is not None
    process.stdout.readline()
    os.killpg(process.pid, signal.SIGINT)
    assert process.communicate(timeout=30)[0] == "interrupted 0\n"
    assert process.returncode == 0

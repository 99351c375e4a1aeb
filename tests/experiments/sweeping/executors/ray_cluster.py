"""A real Ray cluster on this machine whose nodes can be lost: each a `ray start --block` in a session of its own."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.experiments.sweeping.executors.ray_engines import FOLDER, NODE

ROOT = Path(__file__).resolve().parents[4]
PATIENCE = 120.0
STARTED = "Ray runtime started"


class Node:
    """One node; all its processes are in one session."""

    def __init__(self, name: str, folder: Path, *arguments: str) -> None:
        self.name = name
        self._log = folder / f"{name}.log"
        command = [
            str(Path(sys.executable).with_name("ray")),
            "start",
            "--block",
            "--num-cpus=1",
            "--disable-usage-stats",
        ]
        environment = os.environ | {"RAY_AUTH_MODE": "token", FOLDER: str(folder), NODE: name}
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                [*command, f"--dashboard-agent-listen-port={free_port()}", *arguments],
                stdout=log, stderr=subprocess.STDOUT, env=environment, cwd=ROOT, start_new_session=True,
            )  # fmt: skip

    def wait(self) -> None:
        """Until it is part of the cluster."""
        until(lambda: STARTED in self._log.read_text() or self._process.poll() is not None)
        assert STARTED in self._log.read_text(), self._log.read_text()

    def lose(self) -> None:
        """End all its processes at once, as a loss of power would."""
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and session_of(int(entry.name)) == self._process.pid:
                try:
                    os.kill(int(entry.name), signal.SIGKILL)
                except ProcessLookupError:
                    continue
        self._process.wait()


class Cluster:
    """A head and a second node, one processor each; of the second more may be said."""

    def __init__(self, folder: Path, *second: str) -> None:
        self._folder, self._second = folder, second
        self._files = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))  # the paths of Ray's sockets must be short
        self.address = f"127.0.0.1:{free_port()}"
        self.nodes: list[Node] = []

    def __enter__(self) -> Self:
        port = self.address.rpartition(":")[2]
        head = (f"--port={port}", "--head", "--include-dashboard=false", f"--ray-client-server-port={free_port()}")
        try:
            self._add("head", *head, f"--temp-dir={self._files}")
            self._add("second", f"--address={self.address}", *self._second)
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def _add(self, name: str, *arguments: str) -> None:
        self.nodes.append(Node(name, self._folder, *arguments))
        self.nodes[-1].wait()

    def _end(self) -> None:
        for node in self.nodes:
            node.lose()
        shutil.rmtree(self._files, ignore_errors=True)


def session_of(process: int) -> int:
    """The session a process is in; 0 when it is gone."""
    try:
        return os.getsid(process)
    except ProcessLookupError:
        return 0


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


def until(holds: Callable[[], object], patience: float = PATIENCE) -> None:
    """Wait for a condition."""
    end = time.monotonic() + patience
    while not holds():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.05)

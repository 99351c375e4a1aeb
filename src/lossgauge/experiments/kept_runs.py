"""Runs kept in a file until the work they belong to is done, so that an interruption costs only what was under way."""

import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

SCHEMA = "lossgauge.kept-runs/1"


class KeptRuns:
    """A file of finished runs, one per line. Whatever cannot be written is simply not kept."""

    def __init__(self, identity: str | None) -> None:
        """Choose the file.

        Args:
            identity: What tells this work from any other; None keeps nothing.
        """
        self.path = None if identity is None else _folder() / f"{_digest(identity)}.jsonl"
        self.discarded = False

    def begin(self, reference: str) -> dict[str, Any]:
        """Read what an earlier attempt has kept, and be ready for more.

        Args:
            reference: The digest of the untouched run; what was kept beside another one is of no use.

        Returns:
            Plain data of the runs, by their names.
        """
        if self.path is None:
            return {}
        lines = _read(self.path)
        head = lines[0] if lines else {}
        usable = head.get("schema") == SCHEMA and head.get("reference") == reference
        self.discarded = bool(lines) and not usable
        if usable:
            return {line["name"]: line["run"] for line in lines[1:] if "name" in line}
        self._write({"schema": SCHEMA, "reference": reference}, "w")
        return {}

    def keep(self, name: str, run: Mapping[str, Any]) -> None:
        """Keep a finished run.

        Args:
            name: Its name.
            run: Plain data.
        """
        self._write({"name": name, "run": dict(run)}, "a")

    def remove(self) -> None:
        """The work is done: nothing is kept any longer."""
        if self.path is not None:
            with suppress(OSError):
                self.path.unlink()

    def _write(self, line: Mapping[str, Any], mode: str) -> None:
        if self.path is None:
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open(mode, encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
        except OSError:
            self.path = None


def _folder() -> Path:
    """The folder the system has for what can be made again."""
    given = os.environ.get("XDG_CACHE_HOME", "")
    try:
        home = Path(given) if Path(given).is_absolute() else Path.home() / ".cache"
    except RuntimeError:  # a user without a home
        home = Path("/nonexistent")
    return home / "lossgauge" / "runs"


def _read(path: Path) -> list[dict[str, Any]]:
    """The lines that are whole; the last one may have been cut off."""
    lines: list[dict[str, Any]] = []
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return []
    for line in text.splitlines():
        try:
            read = json.loads(line)
        except ValueError:
            continue
        if isinstance(read, dict):
            lines.append(read)
    return lines


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

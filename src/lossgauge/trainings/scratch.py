"""Copies of the folder a script works in, for runs that are experiments and must not touch what the user has.

A training writes: checkpoints, logs, a folder that must not exist yet. Run again in the same place it would overwrite
the user's best.pt with the weights of an experiment, go on from the checkpoint the run before it left, or fail. So each
experiment has a copy of the project as it was before the first run, at the same depth below a root of its own: what
lies beside the project is linked there, so that `../data` is found.
"""

import os
import shutil
import stat
import tempfile
import weakref
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from lossgauge.errors import InputError
from lossgauge.trainings.request import NO_PLACE

ENTRIES, BYTES = 10_000, 512 * 2**20
"""So many entries are looked at and so many bytes copied, small files first; what is beyond them is linked."""
NEIGHBOURS = 1_000
"""A folder above the project with more entries than this is not mirrored."""
MARKS = (".git", ".hg", "pyproject.toml", "setup.py", "requirements.txt")
"""What tells that a folder is that of a project."""
LINKED = {".git", ".hg", "node_modules"}
ENVIRONMENT = "pyvenv.cfg"
OWN = os.path.join(tempfile.gettempdir(), "lossgauge-")


@dataclass
class _Survey:
    """What is in the project, by names relative to it; files with their size, mode and time in nanoseconds."""

    folders: list[str] = field(default_factory=list)
    files: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    links: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Place:
    """Where one experiment works.

    Args:
        folder: Its working folder.
        top: The copy of the project, which the folder is or is in.
        root: The project itself.
    """

    folder: Path
    top: Path
    root: Path

    def here(self, text: str) -> str:
        """A path as it is in the copy.

        Args:
            text: A path, an argument that holds one, or anything else.

        Returns:
            The text, with the copy in place of the project.
        """
        return text.replace(f"{self.root}{os.sep}", f"{self.top}{os.sep}")


class Scratch:
    """A project as it is now, kept aside until this object is gone, to be laid out any number of times."""

    def __init__(self, folder: Path) -> None:
        """Keep it aside.

        Args:
            folder: The folder a script works in.

        Raises:
            InputError: When it cannot be read, or there is no place for a copy.
        """
        self.folder = folder
        self.root = _project(folder)
        self._found = _survey(self.root)
        self._changing: dict[str, tuple[int, int, int]] = {}
        try:
            descriptor, name = tempfile.mkstemp(prefix="lossgauge-")
        except OSError as error:
            raise InputError(NO_PLACE.format(error.strerror or error)) from error
        self._kept = Path(name)
        weakref.finalize(self, self._kept.unlink, missing_ok=True)
        with open(descriptor, "wb") as archive:
            self._keep(archive)

    def lay_out(self, place: Path) -> Place:
        """Make a fresh copy.

        Args:
            place: A folder of the experiment's own.

        Returns:
            Where to work.

        Raises:
            InputError: When it cannot be written.
        """
        top = place / "root" / self.root.relative_to(self.root.anchor)
        try:
            top.mkdir(parents=True)
            _link_neighbours(self.root, top)
            for name in self._found.folders:
                (top / name).mkdir(exist_ok=True)
            with self._kept.open("rb") as archive:  # one file after the other, in this order
                for name, state in self._found.files.items():
                    _write(top / name, archive, state)
            for name in self._found.links:
                self._link(name, top)
        except OSError as error:
            raise InputError(NO_PLACE.format(error.strerror or error)) from error
        return Place(top / self.folder.relative_to(self.root), top, self.root)

    def _keep(self, archive: BinaryIO) -> None:
        """Copy the small files one behind the other, as many as there is room for; the others are linked."""
        left, copied = min(BYTES, shutil.disk_usage(self._kept).free // 4), dict[str, tuple[int, int, int]]()
        for name, state in sorted(self._found.files.items(), key=lambda file: file[1][0]):
            content = _content(self.root / name) if state[0] <= left else None
            if content is None:
                self._found.links.append(name)
                self._changing[name] = state
            else:
                archive.write(content)
                copied[name] = len(content), *state[1:]
                left -= len(content)
        self._found.files = copied

    def _link(self, name: str, top: Path) -> None:
        """Link what is not copied; a file that was written since is left out, for so it will be again."""
        source = self.root / name
        if name in self._changing and (not source.exists() or _state(source.stat()) != self._changing[name]):
            return
        if source.is_symlink():
            source = Path(os.path.realpath(source))
            if source.is_relative_to(self.root):
                source = top / source.relative_to(self.root)
        os.symlink(source, top / name)


def discard(place: Path) -> None:
    """Remove the copy an experiment worked in, once it has ended.

    Args:
        place: What `lay_out` was given.
    """
    shutil.rmtree(place / "root", ignore_errors=True)


def _project(folder: Path) -> Path:
    """The project a folder belongs to: itself, or the next one above that is marked as one, short of a home."""
    home = Path.home()
    for above in (folder, *folder.parents):
        if above == home or above == Path(above.anchor):
            break
        if any((above / mark).exists() for mark in MARKS):
            return above
    return folder


def _survey(root: Path) -> _Survey:
    found, waiting, left = _Survey(), deque([""]), ENTRIES
    while waiting:
        name = waiting.popleft()
        entries = _entries(root / name)
        if entries is None or (name and (len(entries) > left or any(e.name == ENVIRONMENT for e in entries))):
            found.links.append(name)
            continue
        left -= len(entries)
        found.folders.append(name)
        for entry in entries:
            inside = os.path.join(name, entry.name)
            if entry.is_dir(follow_symlinks=False) and entry.name not in LINKED:
                waiting.append(inside)
            elif entry.is_file(follow_symlinks=False):
                found.files[inside] = _state(entry.stat(follow_symlinks=False))
            else:
                found.links.append(inside)
    if not found.folders:
        raise InputError(f"the folder {str(root)!r} cannot be read, so no run can be made in a copy of it")
    return found


def _entries(folder: Path) -> list[os.DirEntry[str]] | None:
    try:
        with os.scandir(folder) as entries:
            return [entry for entry in entries if not entry.path.startswith(OWN)]
    except OSError:
        return None


def _content(file: Path) -> bytes | None:
    with suppress(OSError):
        return file.read_bytes()
    return None


def _write(file: Path, archive: BinaryIO, state: tuple[int, int, int]) -> None:
    size, mode, time = state
    file.write_bytes(archive.read(size))
    file.chmod(mode)
    os.utime(file, ns=(time, time))  # what Python has compiled is known by it


def _state(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_size, stat.S_IMODE(status.st_mode), status.st_mtime_ns


def _link_neighbours(root: Path, top: Path) -> None:
    """What lies beside the project, and beside the folders above it."""
    for below, there in _upwards(root, top):
        entries = _entries(below.parent)
        for entry in entries or () if len(entries or ()) <= NEIGHBOURS else ():
            if entry.name != below.name:
                os.symlink(entry.path, there.parent / entry.name)


def _upwards(root: Path, top: Path) -> Iterator[tuple[Path, Path]]:
    while root != root.parent:
        yield root, top
        root, top = root.parent, top.parent

"""The machine's own C compiler: found, called, and its results kept for the next time."""

import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from functools import lru_cache
from pathlib import Path

FLAGS = (
    "-O3", "-march=native", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math", "-fno-strict-aliasing",
    "-fPIC", "-shared", "-w",
)  # fmt: skip
"""No -ffast-math: objects made with it flush subnormal numbers in the whole process, and sums may be reordered. Scratch
memory holds numbers of one kind after those of another, hence no strict aliasing."""
COMPILERS = ("gcc", "cc")
PATIENCE = 300
"""Seconds after which a compiler is given up."""


class NoCompiler(Exception):
    """There is no C compiler, or it cannot compile what it was given."""


@lru_cache(maxsize=1)
def compiler() -> str | None:
    """The compiler of this machine.

    Returns:
        Its path, or None where there is none that makes a working library of the kind wanted.
    """
    if os.environ.get("LOSSGAUGE_COMPILER") == "none":
        return None
    for name in COMPILERS:
        path = shutil.which(name)
        if path and _works(path):
            return path
    return None


@lru_cache(maxsize=1)
def processor() -> str:
    """What kind of vectors the compiler makes use of here.

    Returns:
        `avx512`, `avx2` or `plain`.
    """
    path = compiler()
    if path is None:
        return "plain"
    try:
        macros = subprocess.run(
            [path, "-march=native", "-dM", "-E", "-x", "c", os.devnull],
            capture_output=True, text=True, check=True, timeout=PATIENCE,
        ).stdout  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return "plain"
    if "__AVX512F__" in macros:
        return "avx512"
    return "avx2" if "__AVX2__" in macros and "__FMA__" in macros else "plain"


@lru_cache(maxsize=64)
def library(source: str) -> ctypes.CDLL:
    """Compile a source, or find what was made of it before.

    Args:
        source: C text.

    Returns:
        The loaded library.

    Raises:
        NoCompiler: When there is none, or it fails.
    """
    path = compiler()
    if path is None:
        raise NoCompiler("there is no C compiler")
    key = hashlib.blake2b("\0".join((source, path, *FLAGS, machine())).encode(), digest_size=16).hexdigest()
    place = _folder() / f"{key}.so"
    if place.exists():
        try:
            return ctypes.CDLL(str(place))
        except OSError:  # cut short by a full disk, or taken away just now
            place.unlink(missing_ok=True)
    _compile(path, source, place)
    try:
        return ctypes.CDLL(str(place))
    except OSError as error:
        raise NoCompiler(f"what was compiled cannot be loaded: {error}") from error


@lru_cache(maxsize=1)
def machine() -> str:
    """What compiled code depends on beside its source.

    Returns:
        The processor's features as far as the system tells.
    """
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        flags = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    except OSError:
        flags = ""
    return f"{platform.machine()} {platform.processor()} {flags}"


def _folder() -> Path:
    """A folder of the user's own; where there is none to be had, one that goes with the process."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    place = base / "lossgauge" / "native"
    try:
        place.mkdir(parents=True, exist_ok=True, mode=0o700)
        if os.access(place, os.W_OK):
            return place
    except OSError:
        pass
    return _temporary_folder()


@lru_cache(maxsize=1)
def _temporary_folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="lossgauge-"))


def _compile(path: str, source: str, place: Path) -> None:
    """Written beside and then renamed: two processes may compile the same source at the same time."""
    with tempfile.TemporaryDirectory(prefix="lossgauge-") as folder:
        text = Path(folder) / "source.c"
        text.write_text(source)
        handle, made = tempfile.mkstemp(suffix=".so", dir=place.parent)
        os.close(handle)
        try:
            subprocess.run(
                [path, *FLAGS, str(text), "-o", made, "-lm"], check=True, capture_output=True, timeout=PATIENCE
            )
            os.replace(made, place)
        except (OSError, subprocess.SubprocessError) as error:
            Path(made).unlink(missing_ok=True)
            raise NoCompiler(f"the compiler failed: {getattr(error, 'stderr', b'')[-300:]!r}") from error


def _works(path: str) -> bool:
    """Whether a compiler makes libraries that can be loaded."""
    with tempfile.TemporaryDirectory(prefix="lossgauge-") as folder:
        text, made = Path(folder) / "trial.c", Path(folder) / "trial.so"
        text.write_text("typedef float v __attribute__((vector_size(16)));\nint trial(void) { return 7; }\n")
        try:
            subprocess.run([path, *FLAGS, str(text), "-o", str(made)], check=True, capture_output=True, timeout=60)
            return ctypes.CDLL(str(made)).trial() == 7
        except (OSError, subprocess.SubprocessError):
            return False

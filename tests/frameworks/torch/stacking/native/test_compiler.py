import ctypes
from pathlib import Path

import pytest

from lossgauge.frameworks.torch.stacking.native import compiler

pytestmark = pytest.mark.skipif(compiler.compiler() is None, reason="no C compiler")


def test_what_was_compiled_is_found_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    source = "int answer(void) { return 42; }"
    assert compiler.library(source).answer() == 42
    (made,) = (tmp_path / "lossgauge" / "native").iterdir()
    monkeypatch.setattr(compiler, "_compile", lambda *arguments: pytest.fail("compiled again"))
    compiler.library.cache_clear()
    assert compiler.library(source).answer() == 42
    assert made.suffix == ".so"
    with pytest.raises(pytest.fail.Exception):
        compiler.library("int answer(void) { return 43; }")  # another source is another library
    compiler.library.cache_clear()


def test_what_was_cut_short_is_compiled_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    source = "int third(void) { return 3; }"
    compiler.library(source)
    (made,) = (tmp_path / "lossgauge" / "native").iterdir()
    made.unlink()
    made.write_bytes(b"cut short")
    compiler.library.cache_clear()
    assert compiler.library(source).third() == 3
    compiler.library.cache_clear()


def test_what_cannot_be_compiled_is_said_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(compiler.NoCompiler, match="failed"):
        compiler.library("this is no C")
    assert list((tmp_path / "lossgauge" / "native").iterdir()) == []


def test_a_home_nobody_may_write_to_is_no_obstacle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(blocked))
    assert isinstance(compiler.library("int other(void) { return 1; }"), ctypes.CDLL)
    compiler.library.cache_clear()


def test_the_processor_is_known():
    assert compiler.processor() in ("avx512", "avx2", "plain")
    assert compiler.machine()

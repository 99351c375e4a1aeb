from pathlib import Path

import pytest

from tests.house.source import HOUSE, ROOT
from tests.house.words import empty_words, undocumented


def test_no_name_is_empty():
    assert not empty_words(HOUSE)
    assert not empty_words(ROOT / "tests")


def test_every_public_name_is_documented():
    assert not undocumented(HOUSE)


@pytest.mark.parametrize(
    ("place", "code"),
    [
        ("utils.py", ""),
        ("misc/__init__.py", ""),
        ("fine.py", "class StateManager: ..."),
        ("fine.py", "def load_helper(): ..."),
        ("fine.py", "class Fine:\n    def helpers(self): ..."),
    ],
)
def test_an_empty_word_is_caught(tmp_path: Path, place: str, code: str):
    planted = tmp_path / place
    planted.parent.mkdir(exist_ok=True)
    planted.write_text(code)
    assert len(empty_words(tmp_path)) == 1


def test_a_word_inside_another_is_no_trespass(tmp_path: Path):
    (tmp_path / "miscellany.py").write_text("def manage_contexts(): ...\nclass Utilitarian: ...\n")
    assert not empty_words(tmp_path)


@pytest.mark.parametrize(
    "code",
    [
        "",
        '"""Module."""\ndef public(): ...',
        '"""Module."""\nclass Public: ...',
        '"""Module."""\nclass Public:\n    """Class."""\n    def method(self): ...',
        '"""Module."""\nif True:\n    def public(): ...',
    ],
)
def test_a_missing_docstring_is_caught(tmp_path: Path, code: str):
    (tmp_path / "planted.py").write_text(code)
    assert len(undocumented(tmp_path)) == 1


def test_private_and_special_names_need_no_docstring(tmp_path: Path):
    code = '"""Module."""\ndef _private(): ...\nclass _Own:\n    def method(self): ...\n'
    code += 'class Public:\n    """Class."""\n    def __len__(self): ...\n'
    code += 'def public():\n    """Function."""\n    def inner(): ...\n'
    (tmp_path / "planted.py").write_text(code)
    assert not undocumented(tmp_path)

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest

from lossgauge import errors
from lossgauge.errors import InputError, LawError, LossgaugeError, ObservationError, ScriptError

HOUSE = Path(errors.__file__).parent
NAMES = {name for name, value in vars(errors).items() if inspect.isclass(value)}


def broken_lines(tree: ast.AST) -> Iterator[int]:
    """Lines that raise an error of ours whose text has a line break in it."""
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call)):
            continue
        if ast.unparse(node.exc.func).split(".")[-1] in NAMES:
            texts = (part.value for part in ast.walk(node.exc) if isinstance(part, ast.Constant))
            if any(isinstance(text, str) and "\n" in text for text in texts):
                yield node.lineno


@pytest.mark.parametrize(
    ("kind", "code"), [(LossgaugeError, 2), (InputError, 2), (LawError, 2), (ObservationError, 2), (ScriptError, 3)]
)
def test_every_error_leaves_with_its_code(kind: type[LossgaugeError], code: int):
    error = kind("eps is -1, expected a number above 0; give for example 1e-8")
    assert isinstance(error, LossgaugeError)
    assert error.exit_code == code
    assert str(error) == "eps is -1, expected a number above 0; give for example 1e-8"


def test_there_is_one_root():
    roots = [kind for kind in map(vars(errors).get, NAMES) if kind is not None and kind.__base__ is Exception]
    assert roots == [LossgaugeError]
    assert not issubclass(LossgaugeError, ValueError), "a try around numbers must not swallow it"


def test_every_message_is_one_line():
    for path in HOUSE.rglob("*.py"):
        assert not list(broken_lines(ast.parse(path.read_text(encoding="utf-8")))), path


def test_a_message_of_two_lines_is_caught():
    planted = "def f(x):\n    if x:\n        raise InputError(f'{x} is\\nwrong')\n    raise ValueError('a\\nb')\n"
    assert list(broken_lines(ast.parse(planted))) == [3]

"""Numbers a training prints, by the names it gives them."""

import re

_TENSOR = r"(?:(?:tensor|array)\(\[?|np\.\w+\()?"
_POWER = r"(?:[eE][-+]?\d+)?"
_DIGITS = rf"\d{{1,3}}(?:,\d{{3}})+(?:\.\d+)?|\d+\.?\d*{_POWER}|\.\d+{_POWER}|nan|inf(?:inity)?"
_NUMBER = _TENSOR + rf"(?P<number>[-+]?(?:{_DIGITS})(?!\w|\.\d))"
_BETWEEN = r"(?:[\"']?\s*[:=]\s*[\"']?|[ \t]*(?:\||[-=]>|→)[ \t]*|[ \t]+)"
_NAMED = re.compile(
    r"(?<!\w)(?P<name>[^\W\d][\w@/.-]*(?: [\w@/.-]+)*)(?:[\"']?\s*[:=]\s*[\"']?)" + _NUMBER, re.IGNORECASE
)
_BESIDE = re.compile(
    r"(?<!\w)(?P<name>[^\W\d](?:[\w@/.]|-(?!>))*)(?:[ \t]+|[ \t]*(?:\||[-=]>|→)[ \t]*)" + _NUMBER, re.IGNORECASE
)
_COLOUR = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
SHOWN = 12
"""Names that are listed at most."""


def read_printed_number(text: str, name: str) -> float | None:
    r"""The last number that was printed under a name.

    It is found in `name: 0.12`, `name=0.12`, `name 0.12`, `name | 0.12`, `name -> 0.12`, `name tensor(0.12)`,
    `name np.float64(0.12)`, `name 1,234.5` and in JSON as `"name": 0.12`, in colour or not.

    >>> read_printed_number('loss 1.5\nepoch 2 loss: 0.25, accuracy=0.75', "loss")
    0.25

    Args:
        text: What was printed.
        name: The name, as it was printed.

    Returns:
        The number, which may be infinite or NaN; None where none was printed under this name.
    """
    found = _find_last(text, name)
    return None if found is None else float(found.replace(",", ""))


def last_digit(text: str, name: str) -> float:
    """What one in the last digit of a printed number is worth.

    >>> last_digit("loss: 0.2500", "loss"), last_digit("loss: 2.5e-07", "loss"), last_digit("top: 88", "top")
    (0.0001, 1e-08, 1.0)

    Args:
        text: What was printed.
        name: The name of the number.

    Returns:
        A power of ten; 0 where there is no such number.
    """
    digits, _, power = (_find_last(text, name) or "").lower().replace(",", "").partition("e")
    if not any(map(str.isdigit, digits)):
        return 0.0
    return float(f"1e{int(power or 0) - len(digits.partition('.')[2])}")


def _find_last(text: str, name: str) -> str | None:
    """The last number under a name, as it was printed."""
    pattern = re.compile(r"(?<![\w./-])" + re.escape(name) + _BETWEEN + _NUMBER, re.IGNORECASE)
    # Upper and lower case are two names where both are printed; a person who types one of them means that one.
    everything = list(pattern.finditer(_COLOUR.sub("", text)))
    found = [match for match in everything if match[0].startswith(name)] or everything
    return found[-1]["number"] if found else None


def names_printed(text: str) -> list[str]:
    """The names under which numbers were printed.

    Args:
        text: What was printed.

    Returns:
        Each name once, those with a sign between name and number first, at most `SHOWN`.
    """
    plain = _COLOUR.sub("", text)
    names = [match["name"].strip() for pattern in (_NAMED, _BESIDE) for match in pattern.finditer(plain)]
    return list(dict.fromkeys(names))[:SHOWN]

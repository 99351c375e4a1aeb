import pytest

from lossgauge.cli.values import read_settings
from lossgauge.errors import InputError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-8", 1e-8),
        ("3", 3),
        ("-0.8", -0.8),
        ("2**-10", 2.0**-10),
        ("-2**3", -8.0),
        ("1/256", 1 / 256),
        ("true", True),
        ("False", False),
        ("none", None),
        ("adjust", "adjust"),
        ("0.9,0.99", (0.9, 0.99)),
        ("(0.9, 0.99)", (0.9, 0.99)),
        ("none,1e-3", (None, 1e-3)),
    ],
)
def test_values(text: str, value: object):
    read = read_settings([f"h={text}"])["h"]
    assert read == value
    assert type(read) is type(value)


def test_entries_of_tuples():
    assert read_settings(["eps[0]=1e-30", " lr = 1 "]) == {"eps[0]": 1e-30, "lr": 1}


@pytest.mark.parametrize(
    ("pairs", "words"),
    [
        (["eps"], "--set 'eps' is not a setting, expected name=value"),
        (["=1"], "is not a setting"),
        (["eps="], "is not a setting"),
        (["e p=1"], "is not a setting"),
        (["eps=1", "eps=2"], "--set gives eps twice"),
        (["eps=1,2", "eps[0]=1"], "twice"),
        (["eps=nan"], "eps is nan, expected a finite number"),
        (["eps=1e999"], "eps is 1e999, expected a finite number"),
        (["eps=10**400"], "eps is 10**400, expected a finite number"),
    ],
)
def test_what_is_no_setting(pairs: list[str], words: str):
    with pytest.raises(InputError) as refusal:
        read_settings(pairs)
    assert words in str(refusal.value)

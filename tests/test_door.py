"""The door: what `import lossgauge` offers."""

import re

import pytest

import lossgauge


def test_the_door_is_small():
    assert len(lossgauge.__all__) <= 20
    assert len(set(lossgauge.__all__)) == len(lossgauge.__all__)


@pytest.mark.parametrize("name", lossgauge.__all__)
def test_every_name_is_what_it_is_called(name: str):
    thing = getattr(lossgauge, name)
    if name == "__version__":
        assert re.fullmatch(r"\d+\.\d+\.\d+(\.\w+)?", thing)
    else:
        assert callable(thing)
        assert thing.__name__ == name


def test_the_names_are_listed():
    assert set(lossgauge.__all__) <= set(dir(lossgauge))


def test_an_unknown_name_is_refused():
    with pytest.raises(AttributeError, match="no attribute 'utils'"):
        _ = lossgauge.utils  # pyright: ignore[reportAttributeAccessIssue]

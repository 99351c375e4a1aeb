import json
from fractions import Fraction
from importlib import resources

import pytest

from lossgauge.errors import InputError
from lossgauge.laws.table import KINDS, SCHEMA, Row, Variant, find_row, read_table, row_of, write_table
from tests.known_laws import PLAIN_ADAM, TABLE, decoupled

SHIPPED = read_table()


@pytest.mark.parametrize("target", SHIPPED)
def test_every_shipped_row_survives_being_written(target: str):
    row = SHIPPED[target]
    assert row.law.target == target
    assert row.kind in KINDS
    assert Row.from_dict(json.loads(json.dumps(row.to_dict()))) == row


def test_the_shipped_text_is_what_its_rows_write():
    text = resources.files("lossgauge.laws").joinpath("table.json").read_text(encoding="utf-8")
    assert write_table(SHIPPED, json.loads(text)["made_with"]) == text


def test_a_table_is_written_in_order_and_with_its_schema():
    text = write_table(dict(reversed(TABLE.items())), {"torch": "0"})
    plain = json.loads(text)
    assert text.endswith("}\n")
    assert (plain["schema"], plain["made_with"]) == (SCHEMA, {"torch": "0"})
    assert [row["law"]["target"] for row in plain["rows"]] == sorted(TABLE)


def test_flags_pick_the_variant():
    row = TABLE["torch.optim:Adam"]
    assert row.law_for({}).exponents["weight_decay"] == 1
    assert row.law_for({"decoupled_weight_decay": False}).exponents["weight_decay"] == 1
    assert row.law_for({"decoupled_weight_decay": True, "lr": 1.0}).exponents["weight_decay"] == 0


def test_the_most_particular_variant_wins():
    other = decoupled(PLAIN_ADAM)
    both = Variant({"a": True, "b": True}, other)
    row = Row("optimizer", PLAIN_ADAM, (both, Variant({"a": True}, PLAIN_ADAM.with_target("m:One"))))
    assert row.law_for({"a": True, "b": True}) is other
    assert row.law_for({"a": True}).target == "m:One"
    assert row.law_for({"b": True}) is PLAIN_ADAM


@pytest.mark.parametrize("row", SHIPPED.values(), ids=SHIPPED)
def test_every_shipped_variant_can_be_reached(row: Row):
    for variant in row.variants:
        assert row.law_for({**row.law.defaults, **variant.when}) is variant.law


@pytest.mark.parametrize("name", ["adam", "Adam", " ADAM ", "torch.optim:Adam", "torch.optim.Adam", "TORCH.OPTIM.ADAM"])
def test_a_name_may_be_spelled_in_every_usual_way(name: str):
    row = find_row(name)
    assert row is not None
    assert row is row_of(name)
    assert row.law.target == "torch.optim:Adam"


@pytest.mark.parametrize("name", ["clip_grad_norm_", "clip_grad_norm", "torch.nn.utils.clip_grad_norm_"])
def test_the_last_underscore_may_be_missing(name: str):
    assert row_of(name).law.target == "torch.nn.utils:clip_grad_norm_"


@pytest.mark.parametrize(
    ("name", "hint"),
    [("adaam", "adam"), ("Nadan", "nadam"), ("mylib.optim:SDG", "sgd"), ("torch.optim.RMSpropp", "rmsprop")],
)
def test_the_nearest_name_is_suggested(name: str, hint: str):
    with pytest.raises(InputError) as caught:
        row_of(name)
    assert str(caught.value) == (
        f"no optimizer is called {name!r}; did you mean {hint!r}?; expected a name such as adam, or module:Class"
    )


@pytest.mark.parametrize("name", ["zzzzzz", "", "mylib:Adam"])
def test_what_is_not_there_is_not_there(name: str):
    assert find_row(name) is None


def test_nothing_is_suggested_where_nothing_is_near():
    with pytest.raises(InputError) as caught:
        row_of("zzzzzz")
    assert str(caught.value) == "no optimizer is called 'zzzzzz'; expected a name such as adam, or module:Class"


def test_exponents_are_exact_numbers():
    powers = [k for row in SHIPPED.values() for k in (*row.law.exponents.values(), *row.law.states.values())]
    assert powers
    assert all(isinstance(power, Fraction) for power in powers)

import json
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lossgauge.laws.law import Clash, HiddenConstant, Law, texts
from lossgauge.laws.table import read_table
from lossgauge.laws.verdict import Verdict
from lossgauge.units.dimension import GRADIENT, Dimension
from tests.known_laws import CLIP_CONSTANT, TABLE
from tests.units.strategies import dimensions, rationals

LAWS = [row.law for table in (read_table(), TABLE) for row in table.values()]
CLASHES = [
    Clash(f"zoo.py:{line}", "a + b", "L", "W", ("lr",), (("zoo.py:9", "c + d", "1", "L/W"),)) for line in range(5)
]
names = st.sampled_from(["lr", "eps[0]", "weight_decay"])
laws = st.builds(
    Law,
    st.just("zoo:Any"),
    st.sampled_from(Verdict),
    st.dictionaries(names, rationals),
    st.dictionaries(names, rationals),
    st.dictionaries(names, dimensions),
    st.dictionaries(names, st.none() | st.booleans() | st.floats(allow_nan=False) | st.text()),
    st.lists(names).map(tuple),
    st.lists(st.just(CLIP_CONSTANT)).map(tuple),
    st.lists(st.sampled_from(CLASHES)).map(tuple),
    st.dictionaries(names, names),
)


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.target)
def test_every_known_law_survives_being_written(law: Law):
    assert Law.from_dict(json.loads(json.dumps(law.to_dict()))) == law


@settings(max_examples=30)
@given(laws)
def test_any_law_survives_being_written(law: Law):
    assert Law.from_dict(json.loads(json.dumps(law.to_dict()))) == law


def test_a_lost_field_would_be_seen():
    law = read_table()["torch.optim:LBFGS"].law
    for field in ("hidden_constants", "clashes", "defaults", "exponents"):
        plain = {**law.to_dict(), field: type(law.to_dict()[field])()}
        assert Law.from_dict(plain) != law, field


def test_what_is_missing_in_an_old_table_is_empty():
    law = Law.from_dict({"target": "m:n", "verdict": "EXACT", "exponents": {"lr": "-1/2"}})
    assert law == Law("m:n", Verdict.EXACT, {"lr": Fraction(-1, 2)})


def test_defaults_that_are_no_plain_data_become_text():
    law = Law("m:n", Verdict.EXACT, {}, defaults={"betas": (0.9, (1, None)), "kind": int, "on": True})
    assert law.to_dict()["defaults"] == {"betas": [0.9, [1, None]], "kind": "<class 'int'>", "on": True}


def test_short_names_and_carriers():
    law = TABLE["torch.optim:SGD"].law
    assert law.title == "SGD"
    assert law.with_target("m:Mine").title == "Mine"
    assert law.with_target("Mine").title == "Mine"
    assert replace(law.with_target("m:Mine"), target=law.target) == law
    assert law.carriers == {"lr": -1, "weight_decay": 1}


def test_a_lawful_optimizer_needs_no_reason():
    assert TABLE["torch.optim:SGD"].law.reason() == ""


def test_a_hidden_constant_is_the_reason():
    reason = TABLE["torch.nn.utils:clip_grad_norm_"].law.reason()
    assert reason == "the constant 1e-06 at torch/nn/utils/clip_grad.py:166 has units L/W"


def test_a_clash_names_its_lines():
    law = Law("zoo:Any", Verdict.BROKEN, {}, clashes=(CLASHES[1],))
    assert law.reason() == "zoo.py:1 needs L = W, but zoo.py:9 needs 1 = L/W"
    assert replace(CLASHES[0], others=()).sentence() == "zoo.py:0 needs L = W"


def test_long_reasons_are_cut():
    law = Law("zoo:Any", Verdict.BROKEN, {}, hidden_constants=(HiddenConstant(2.0, "a.py:1", unit="L"),))
    law = replace(law, clashes=tuple(CLASHES))
    assert law.reason().count("; ") == 2
    assert law.reason().endswith("(and 3 more)")


def test_texts_are_in_order_of_names():
    assert list(texts({"b": Fraction(1, 2), "a": GRADIENT, "c": Dimension()}).items()) == [
        ("a", "L/W"),
        ("b", "1/2"),
        ("c", "1"),
    ]

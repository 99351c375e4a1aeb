import json

from lossgauge.laws.law import Law
from lossgauge.laws.verdict import Verdict


def test_there_are_five_words():
    assert [str(verdict) for verdict in Verdict] == ["EXACT", "CLOSE", "BROKEN", "INERT", "UNDECIDED"]


def test_a_verdict_is_its_word():
    assert Verdict("EXACT") is Verdict.EXACT
    assert json.dumps([Verdict.BROKEN]) == '["BROKEN"]'
    assert f"{Verdict.CLOSE}" == "CLOSE"


def test_two_of_them_promise_the_same_training():
    assert [v for v in Verdict if Law("m:n", v, {}).lawful] == [Verdict.EXACT, Verdict.CLOSE]

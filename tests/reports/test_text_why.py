"""An attribution as a person reads it, at 80 columns."""

from dataclasses import replace
from fractions import Fraction
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from lossgauge.records.attribution import ATTRIBUTED, ROUNDING, UNCHANGED, Attribution, Interaction, Part
from lossgauge.reports.text_why import render_attribution, say_answer, spell_part

EPS = Part("eps", 0.998, -9.92e-7, "NAdam.eps", Fraction(1), 1e-8, 1e-13)
DECAY = Part("weight_decay", 0.002, -2e-9, "NAdam.weight_decay", Fraction(1), 1e-4, 1e-9)
FOUND = Attribution(
    Fraction(10**5),
    ATTRIBUTED,
    "loss",
    reference=9.96e-7,
    multiplied=3.5e-9,
    total=-9.925e-7,
    parts=(EPS, DECAY),
    rounding_floor=2.3e-11,
    runs={"made": 3, "reused": 1, "checks": 6, "kept": 0},
    co_scaled_identical=True,
    asked="loss",
    title="the final loss",
    training="train.py",
    steps=1200,
    sufficient=("eps",),
)


def rendered(found: Attribution) -> str:
    console = Console(width=80, record=True, file=StringIO(), highlight=False, markup=False)
    console.print(render_attribution(found.to_dict()))
    text = console.export_text()
    assert max(map(len, text.splitlines())) <= 80
    return text


def answer(**changes: Any) -> str:
    return say_answer(replace(FOUND, **changes).to_dict())


def test_the_answer_comes_first_in_one_sentence():
    said = answer()
    assert said.startswith("× 1e5 changed the final loss from 9.96e-7 to 3.5e-9: 99.8 % of it went through NAdam's eps")
    assert "which stands outside the root" in said
    assert said.endswith("eps = 1e-13 would do the same without the multiplier.")
    text = rendered(FOUND)
    assert text.splitlines()[0].startswith("train.py  1200 steps")
    assert text.splitlines()[2].startswith("  × 1e5 changed")


def test_every_part_has_a_bar_and_its_setting():
    lines = [line for line in rendered(FOUND).splitlines() if "as if" in line]
    assert [line.split()[0] for line in lines] == ["eps", "weight_decay"]
    assert lines[0].count("█") > 20 > lines[1].count("█")
    assert "1e-8 as if 1e-13" in lines[0]


def test_long_names_fit():
    name = "DistributedShampooWithMomentum.initial_accumulator_value"
    long = Part(name[-40:], 1.0, 1.0, name, Fraction(2), 0.1, 9.54e-8)
    assert "0.1 as if 9.54e-8" in rendered(replace(FOUND, parts=(long,)))


def test_parts_that_cancel_are_all_named():
    parts = (replace(EPS, share=2.43), replace(DECAY, share=-1.43))
    assert "243 % of it went through NAdam's eps" in answer(parts=parts)
    assert "−143 % went through NAdam's weight_decay" in answer(parts=parts)


def test_rounding_is_said_to_be_rounding():
    found = replace(FOUND, verdict=ROUNDING, parts=(Part("rounding", 1.0, 1e-12),), raw_parts=(EPS, DECAY), total=1e-12)
    text = rendered(found)
    assert "rounding, amplified by training" in text
    assert "no more than rounding does" in " ".join(text.split())
    assert "would be eps 99.8 %, weight_decay 0.2 %" in " ".join(text.split())


def test_a_divergence_has_two_directions():
    made = answer(outcome="divergence", total=1.0, multiplied=float("nan"))
    assert made.startswith("× 1e5 makes the training diverge (the final loss was 9.96e-7): 99.8 % of it")
    kept = answer(outcome="divergence", total=-1.0, reference=float("inf"))
    assert kept.startswith("× 1e5 keeps the training from diverging (the final loss becomes 3.5e-9)")


def test_nothing_and_undecided_say_why():
    assert answer(verdict=UNCHANGED, parts=(), reason="every bit is the same") == (
        "× 1e5 changes nothing: every bit is the same."
    )
    assert answer(verdict="UNDECIDED", parts=(), reason="it does not repeat itself").endswith(
        "it does not repeat itself."
    )


def test_what_is_left_over_is_named_with_its_reason():
    constant = Part(
        "hidden constant", 0.3, 1.0, reason="clip_grad_norm_ has no law: the constant 1e-06 at clip_grad.py:155"
    )
    text = " ".join(rendered(replace(FOUND, parts=(replace(EPS, share=0.7), constant), sufficient=())).split())
    assert "70 % of it went through NAdam's eps" in text
    assert "30 % is a hidden constant" in text
    assert "the constant 1e-06 at clip_grad.py:155" in text
    assert "would do the same" not in text, "a setting alone would not"


def test_interactions_and_intervals_are_told():
    drawn = replace(EPS, low=0.9, high=1.1)
    found = replace(FOUND, parts=(drawn,), interactions=(Interaction(("max_norm", "eps"), 1.0, -0.4),), exact=False)
    text = " ".join(rendered(found).split())
    assert "max_norm × eps 40 %: co-scaling either undoes this much" in text
    assert "90 % to 110 %" in text
    other = " ".join(rendered(replace(found, interactions=(Interaction(("max_norm", "eps"), 1.0, 0.4),))).split())
    assert "it takes co-scaling both" in other


def test_the_distance_of_weights_has_words_of_its_own():
    said = answer(asked="weights", outcome="weights", title="the final weights", reference=0.0, multiplied=25.3)
    assert said.startswith("× 1e5 moved the final weights by 25.3 times the way they went")


@pytest.mark.parametrize(
    ("share", "text"),
    [(1.0, "100 %"), (0.998, "99.8 %"), (-1.4, "−140 %"), (2e-5, "under 0.1 %"), (-2e-5, "under 0.1 %"), (0.0, "0 %")],
)
def test_shares_beyond_the_whole(share: float, text: str):
    assert spell_part(share) == text

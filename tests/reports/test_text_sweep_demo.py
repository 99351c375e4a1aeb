"""The demonstration in the terminal."""

from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console

from lossgauge.records.sweep import Workload
from lossgauge.records.sweep_demo import Feeling, SweepDemo
from lossgauge.records.sweep_summary import Breach, OptimizerSummary, SweepSummary
from lossgauge.reports.text_sweep_demo import render_demo

LABELS = ("SGD", "momentum", "Adam", "NAdam", "AdamW")
SUMMARY = SweepSummary(
    Workload("mlp-16-32-1", "mse", "regression", 200),
    settings=3398,
    distinct_runs=1850,
    reused=1548,
    engine="compiled",
    optimizers=tuple(OptimizerSummary(label, f"torch.optim:{label}", 9, 5, 4, 0, "EXACT") for label in LABELS),
    audited=40,
)
FEELINGS = (
    Feeling("momentum", 0.0, 0.0, 0.0, -20.0, 20.0, 4.0, ("lr·α",)),
    Feeling("momentum", 2.0**-10, 0.0, 0.0, -20.0, 20.0, 4.0, ("lr·α", "λ/α")),
    Feeling("AdamW", 0.0, -10.0, 20.0, -20.0, 20.0, None, ("ε/α",)),
    Feeling("Mine", 0.01, -20.0, 20.0, -20.0, 20.0),
)
NAMES = ("who-feels-alpha", "best-learning-rate", "number-formats", "collapse-momentum-weight-decay")
DEMO = SweepDemo(SUMMARY, FEELINGS, ("The best one falls as 1/α for SGD",), tuple(f"out/{n}.svg" for n in NAMES), 15.0)


def text(demo: SweepDemo, width: int = 80) -> str:
    console = Console(file=StringIO(), width=width, highlight=False, markup=False)
    console.print(render_demo(demo.to_dict()))
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def line(shown: str, begin: str) -> str:
    found = next(line for line in shown.splitlines() if line.strip().startswith(begin))
    return " ".join(found.split())


def test_it_fits_80_columns_without_broken_words():
    shown = text(DEMO)
    assert max(map(len, shown.splitlines())) <= 80
    assert all(word in shown for word in ("α = 2⁻¹⁰ … 2²⁰", "lr·α, λ/α", "diverges", *NAMES))


def test_every_optimizer_has_its_line():
    shown = text(DEMO)
    assert line(shown, "momentum") == "momentum none α = 1 only α ≥ 2⁴ lr·α"
    assert line(shown, "2⁻¹⁰") == "2⁻¹⁰ α = 1 only α ≥ 2⁴ lr·α, λ/α"
    assert line(shown, "AdamW") == "AdamW none α = 2⁻¹⁰ … 2²⁰ – ε/α"
    assert line(shown, "Mine") == "Mine 0.01 every α – nothing"


def test_numbers_and_findings_are_told():
    shown = " ".join(text(DEMO).split())
    assert "The best one falls as 1/α for SGD." in shown
    assert "3398 settings of SGD, momentum, Adam, NAdam and AdamW" in shown
    assert "took 1850 trainings of 200 steps; for 1548 another one stands" in shown
    assert "40 of these were run all the same, and each came out the same" in shown


@pytest.mark.parametrize(("audited", "words"), [(0, "None of these was run to check that"), (40, "Audit: 40 of these")])
def test_what_was_not_audited_is_not_said_to_be(audited: int, words: str):
    assert words in text(replace(DEMO, summary=replace(SUMMARY, audited=audited)))


def test_a_failed_audit_is_loud():
    breach = Breach("Adam at α = 2", "Adam at α = 1", "bits", "the weights differ in their bits")
    shown = text(replace(DEMO, summary=replace(SUMMARY, breaches=(breach,))))
    assert "THE AUDIT FAILED" in shown
    assert "each came out the same" not in shown
    assert "Adam at α = 2 against Adam at α = 1" in shown


def test_why_there_are_no_pictures_is_said():
    shown = text(replace(DEMO, pictures=(), note="none: pictures need vl-convert"))
    assert "none: pictures need vl-convert" in shown
    assert "who-feels-alpha" not in shown

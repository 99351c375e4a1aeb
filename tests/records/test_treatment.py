"""Treatments: what they change a value to, and how they are said as data."""

import pytest

from lossgauge.records.treatment import KINDS, Treatment


@pytest.mark.parametrize(
    ("treatment", "own", "new"),
    [
        (Treatment("setting", "eps", factor=0.5), 4.0, 2.0),
        (Treatment("setting", "eps", value=3.0), 4.0, 3.0),
        (Treatment("setting", "eps", factor=0.5, value=0.0), 4.0, 0.0),
        (Treatment("plateau-mode", choice="rel"), 4.0, 4.0),
    ],
)
def test_changed(treatment, own, new):
    assert treatment.changed(own) == new


def test_the_summary_leaves_out_what_is_not_set_and_makes_the_treatment_again():
    treatment = Treatment("term", index=0, factor=2.0)
    assert treatment.summary() == {"kind": "term", "index": 0, "factor": 2.0}
    assert Treatment(**treatment.summary()) == treatment


def test_every_kind_is_explained():
    assert all(text and not text.endswith(".") for text in KINDS.values())

"""Rules of how a loss is averaged."""

import pytest

from lossgauge.diagnosis.case import Case
from lossgauge.diagnosis.rules.reductions import GradOutputIgnored, MeanOfMeans, WeightedMeanCancels
from lossgauge.records.loss_reading import LossReading, Term
from tests.diagnosis.exhibits import Exhibit, change_units, show
from tests.diagnosis.sessions import FELL, FLAT, SLOW, train


def uneven(losses=FLAT, items=(10, 1000), values=(1.0, 5.0), reduction="mean"):
    readings = [
        LossReading(step, number, value, terms=(Term(0, reduction=reduction, items=count),))
        for step in (1, 20, 40)
        for number, (count, value) in enumerate(zip(items, values, strict=True))
    ]
    return train(losses, readings=readings, backwards=len(items))


def weighted(losses=FLAT, weights=(1.0, 10.0), pure=True, reduction="mean"):
    term = Term(0, kind="classification", reduction=reduction, class_weights=weights, one_class=pure, items=1)
    return train(losses, readings=[LossReading(step, terms=(term,)) for step in range(1, 6)])


def ignoring(losses=FLAT, scale=65536.0, ignored=True, factor=1.0):
    reading = LossReading(1, terms=(Term(0, factor=factor),), custom={"CtcBackward": ignored})
    return train(losses, readings=[reading], scale=scale)


EXHIBITS = [
    Exhibit(MeanOfMeans(), uneven, lambda: uneven(values=(1.0, 1.0)), lambda: uneven(items=(100, 120))),
    Exhibit(WeightedMeanCancels(), weighted, lambda: weighted(FELL, weights=(1.0, 1.0)), lambda: weighted(pure=False)),
    Exhibit(GradOutputIgnored(), ignoring, lambda: ignoring(FELL, 1.0), lambda: ignoring(ignored=False)),
]


@pytest.mark.parametrize("exhibit", EXHIBITS, ids=str)
def test_it_tells_faults_from_signals(exhibit):
    show(exhibit)


@pytest.mark.parametrize("exhibit", EXHIBITS, ids=str)
def test_units_do_not_matter(exhibit):
    change_units(exhibit)


def test_the_bias_of_a_mean_of_means():
    finding = EXHIBITS[0].find(uneven())
    exact = (10 * 1.0 + 1000 * 5.0) / 1010
    assert finding.evidence["bias"] == pytest.approx(abs(3.0 - exact) / exact)
    assert finding.evidence["item_ratio"] == 100


@pytest.mark.parametrize(
    ("loss", "losses", "severity"),
    [(0.69, FLAT, "fault"), (0.35, FLAT, "info"), (0.69, SLOW, "info"), (0.69, [0.5, 1.0] * 30, "info")],
)
def test_micro_batches_that_lose_the_same_may_both_be_worse_than_guessing(loss, losses, severity):
    """Nine of ten items are positive in the small ones, one of ten in the large ones; a half suits both alike."""
    readings = [
        LossReading(step, number, loss, terms=(Term(0, kind="classification", reduction="mean", items=count,
                                                    value=loss, guess=0.325),))
        for step in (1, 20, 40)
        for number, count in enumerate((8, 320))
    ]  # fmt: skip
    finding = EXHIBITS[0].find(train(losses, readings=readings, backwards=2))
    assert finding.severity == severity
    assert finding.evidence["bias"] == pytest.approx(0.0)
    assert ("times that of guessing" in finding.message) == (severity == "fault")


def test_sums_have_no_items_to_weigh():
    assert MeanOfMeans().check(Case(uneven(reduction="sum"))) is None


def test_weights_in_a_sum_do_not_cancel():
    assert WeightedMeanCancels().check(Case(weighted(reduction="sum"))) is None


def test_a_lost_factor_is_a_warning_while_the_loss_comes_down():
    assert EXHIBITS[2].find(ignoring(FELL)).severity == "warning"
    assert EXHIBITS[2].find(ignoring(FELL, 1.0, factor=0.1)).severity == "warning"
    finding = EXHIBITS[2].find(ignoring())
    assert [t.kind for t in finding.treatments] == ["grad-output"]
    assert "65536" in finding.message

"""Faulty trainings with a known cause: the treatment of that cause cures them, another one does not."""

import pytest

from lossgauge.frameworks.observer import Observer
from lossgauge.frameworks.torch.interposition import interpose
from lossgauge.records.injection import Injection
from lossgauge.records.treatment import Treatment
from tests.scenarios.clipping import scaled_gradients_are_clipped, values_clipped_far_too_low
from tests.scenarios.formats import half_embeddings_of_rare_words
from tests.scenarios.mistaken import gradients_pile_up_under_adam, head_replaced_after_the_optimizer
from tests.scenarios.scenario import SCENARIOS
from tests.scenarios.terms import decay_equation_in_milliseconds
from tests.scenarios.thresholds import plateau_that_sees_no_progress, smooth_l1_on_displacements_in_metres

CURES = [
    (scaled_gradients_are_clipped, Treatment("unscaled-clip")),
    (values_clipped_far_too_low, Treatment("threshold", factor=float("inf"))),
    (half_embeddings_of_rare_words, Treatment("master-weights", choice="float32")),
    (gradients_pile_up_under_adam, Treatment("zero-grad")),
    (head_replaced_after_the_optimizer, Treatment("held-parameters")),
    (decay_equation_in_milliseconds, Treatment("term", index=0, factor=1e-6)),
    (plateau_that_sees_no_progress, Treatment("plateau-mode", choice="rel")),
    (smooth_l1_on_displacements_in_metres, Treatment("knee", factor=2e-3)),
]


@pytest.mark.parametrize(("train", "treatment"), CURES, ids=lambda value: getattr(value, "__name__", ""))
def test_the_treatment_cures(train: object, treatment: Treatment):
    scenario = SCENARIOS[getattr(train, "__name__", "")]
    metrics: dict[str, float] = {}
    for one in (treatment, Treatment("loss", factor=2.0)):
        with interpose(Injection(treatments=(one,)), Observer()):
            metrics[one.kind] = scenario.metric()
    assert metrics[treatment.kind] < scenario.ok_below
    assert metrics["loss"] > scenario.ok_below

"""Pieces laid end to end step as they do alone."""

from dataclasses import replace

import pytest
import torch

from lossgauge.frameworks.torch.gauging.bundles import bundle
from lossgauge.frameworks.torch.gauging.trial import Change, Trials
from tests.frameworks.torch.gauging.arrangements import CASES, Case, Training, sampled_pieces


@pytest.mark.parametrize("case", [case for case in CASES if case.name != "LBFGS"], ids=str)
def test_together_or_alone_makes_no_difference(case: Case):
    training = Training(case, torch.float64)
    pieces = sampled_pieces(training, 4)
    together = Trials(training.optimizer, pieces, training.law)
    alone = [Trials(training.optimizer, [piece], training.law) for piece in pieces]
    change = Change(alpha=3.0, settled=True)
    assert together.sizes(change) == pytest.approx([trials.sizes(change)[0] for trials in alone], rel=1e-12)
    for one, update in zip(alone, together.updates(change), strict=True):
        assert torch.allclose(one.updates(change)[0], update, rtol=1e-12, atol=0.0)


def test_an_elementwise_optimizer_needs_one_bundle_for_all():
    (only,) = bundle(sampled_pieces(Training(Case("Adam")), 4))
    assert only.members == tuple(range(6))
    assert [len(part) for part in only.split(only.piece.weight)] == list(only.lengths)


def test_pieces_that_differ_stay_apart():
    pieces = sampled_pieces(Training(Case("Adam")), 4)
    pieces[1] = replace(pieces[1], state={**pieces[1].state, "step": torch.tensor(99.0)})
    pieces[2] = replace(pieces[2], group=dict(pieces[2].group))
    pieces[3] = replace(pieces[3], state={})
    assert sorted(one.members for one in bundle(pieces)) == [(0, 4, 5), (1,), (2,), (3,)]


def test_tensors_of_an_optimizer_that_mixes_its_elements_stay_whole():
    found = bundle(sampled_pieces(Training(Case("Adafactor")), 2))
    assert [one.members for one in found] == [(place,) for place in range(6)]
    assert found[0].piece.weight.shape == (160, 6)


def test_some_may_start_from_zero():
    training = Training(Case("SGD", dict(lr=0.1, weight_decay=0.5)), torch.float64)
    trials = Trials(training.optimizer, sampled_pieces(training, 2), training.law)
    before = trials.sizes(Change())
    trials.start_from_zero({1})
    changed = trials.sizes(Change())
    assert changed[1] != before[1]
    assert [*changed[:1], *changed[2:]] == [*before[:1], *before[2:]]

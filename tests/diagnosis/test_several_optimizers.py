"""A training with several optimizers: each is asked about its own numbers."""

from dataclasses import replace

from tests.diagnosis.rules.test_denominators import ruled
from tests.diagnosis.sessions import FLAT, seen, train
from tests.diagnosis.test_checkup import finding_of, named


def with_another(main, other):
    """Two optimizers after one backward: the losses are noted at the first."""
    session = replace(main, optimizers=[*main.optimizers, *other.optimizers], tensors=[*main.tensors, *other.tensors])
    count = len(main.tensors)
    session.steps = [
        step
        for mine, theirs in zip(main.steps, other.steps, strict=True)
        for step in (mine, replace(theirs, optimizer=1, losses=()))
    ]
    session.samples = main.samples + [
        replace(sample, optimizer=1, tensors=tuple(replace(t, tensor=t.tensor + count) for t in sample.tensors))
        for sample in other.samples
    ]
    return session


def test_every_optimizer_is_asked_about_its_own_numbers():
    sgd = train(FLAT, (seen(1e-2, relative=3e-3),), optimizer="sgd")
    finding = finding_of(with_another(sgd, ruled()), "eps-dominates")
    assert (finding.severity, finding.optimizer) == ("fault", 1)
    assert finding.where.startswith("Adam, optimizer 2 of 2: ")
    assert finding.remedy.text.startswith("set eps of Adam from 0.001")
    assert finding.treatments[0].optimizer == 1


def test_what_the_main_optimizer_has_is_said_once():
    both = named(with_another(ruled(), ruled()))
    assert both.count("eps-dominates") == 1
    assert finding_of(with_another(ruled(), ruled()), "eps-dominates").optimizer is None

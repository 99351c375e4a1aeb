"""Steps too short for a row each: what is left out, and that the rest is as it would be."""

from itertools import pairwise

import pytest
import torch
from torch import nn

from lossgauge.frameworks.torch.gauging.schedule import Schedule
from tests.frameworks.torch.gauging.test_gauge import OPTIMIZERS, make, observed, train


@pytest.fixture(params=[False, True], ids=["awake", "resting"])
def few_rows(monkeypatch, request):
    """As if steps were so short that only every seventh may have a row, and samples so dear that there are two."""
    steps = [0]

    def affords_row(self):
        steps[0] += 1
        return steps[0] % 7 == 0

    def rests(self, step):
        resting = request.param and step != 30 and (steps[0] + 1) % 7 != 0
        steps[0] += resting  # the other is not asked then
        return resting

    monkeypatch.setattr(Schedule, "due", lambda self, step: step in (1, 30))
    monkeypatch.setattr(Schedule, "affords_row", affords_row)
    monkeypatch.setattr(Schedule, "rests", rests)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_steps_without_a_row_are_counted_and_change_no_bit_either(tmp_path, name, few_rows):
    plain, watched = make(), make()
    torch.manual_seed(1)
    train(plain, OPTIMIZERS[name](plain.parameters()), 60)
    torch.manual_seed(1)
    session = observed(tmp_path / "s", lambda: train(watched, OPTIMIZERS[name](watched.parameters()), 60))
    assert all(torch.equal(a, b) for a, b in zip(plain.parameters(), watched.parameters(), strict=True))
    numbers = [step.number for step in session.steps]
    sampled = [sample.number for sample in session.samples]
    assert numbers == sorted({1, *range(8, 61, 7), *sampled})
    assert len(numbers) < 30
    assert session.made == 60
    assert session.ending is not None
    assert session.ending.backwards == 60
    assert all(len(step.losses) == step.backwards == 1 for step in session.steps)
    assert {step.stale for step in session.steps[1:]} == {False, None}  # None where the step before had no row


def test_rows_that_are_left_out_leave_the_others_as_they_are(tmp_path, few_rows, monkeypatch):
    def work():
        torch.manual_seed(1)
        model = make()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        clip = lambda: nn.utils.clip_grad_norm_(model.parameters(), 0.05)  # noqa: E731
        train(model, optimizer, 40, clip, accumulate=3)

    some = observed(tmp_path / "some", work).steps
    monkeypatch.undo()
    everything = {step.number: step for step in observed(tmp_path / "all", work).steps}
    assert len(everything) == 40 > 2 * len(some)
    assert all(step.stale is None or step == everything[step.number] for step in some)
    assert all(step.losses == everything[step.number].losses for step in some)
    assert all(step.clip == everything[step.number].clip is not None for step in some)


def test_a_scaler_that_leaves_a_step_out_is_told_even_where_there_is_no_row(tmp_path, few_rows):
    model = make()
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**118, growth_interval=1)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4)
    session = observed(tmp_path / "s", lambda: train(model, optimizer, scaler=scaler, steps=25, accumulate=64))
    skipped = [step.number for step in session.steps if step.skipped]
    assert len(skipped) > 2
    assert {b - a for a, b in pairwise(skipped)} == {2}  # left out, made with half the scale, left out again
    assert session.made == 25


def test_several_optimizers_share_what_leads_to_their_steps(tmp_path, few_rows):
    one, other = make(), make(1)
    optimizers = [torch.optim.SGD(model.parameters(), lr=0.1) for model in (one, other)]

    def work():
        x = torch.randn(16, 4, generator=torch.Generator().manual_seed(1))
        for _ in range(30):
            for optimizer in optimizers:
                optimizer.zero_grad()
            (one(x) + other(x)).square().mean().backward()
            for optimizer in optimizers:
                optimizer.step()

    session = observed(tmp_path / "s", work)
    assert session.made == 60
    assert {step.optimizer for step in session.steps} == {0, 1}
    windows = {(step.number + 1) // 2 for step in session.steps}
    assert len(windows) < 25
    assert len(session.steps) == 2 * len(windows)  # what is noted of one is noted of both
    assert [sample.number for sample in session.samples] == [1, 2]

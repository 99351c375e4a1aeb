"""The gauge on real trainings: what it writes down, and that it changes nothing."""

import os

import pytest
import torch
from torch import nn

from lossgauge.frameworks.observer import Stop
from lossgauge.frameworks.torch.gauging.gauge import Gauge
from lossgauge.frameworks.torch.gauging.request import GaugeSettings
from lossgauge.frameworks.torch.gauging.schedule import Schedule
from lossgauge.frameworks.torch.interposition import interpose
from lossgauge.records.injection import Injection
from lossgauge.records.journal import Journal, read_session


def make(seed=0, act=nn.Tanh, dtype=torch.float32):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(4, 8), act(), nn.Dropout(0.1), nn.Linear(8, 1)).to(dtype)


def train(model, optimizer, steps=12, before_step=None, scaler=None, accumulate=1, zero=True):
    x = torch.randn(32, 4, generator=torch.Generator().manual_seed(1))
    y = x[:, :1] * 0.5
    for _ in range(steps):
        if zero:
            optimizer.zero_grad()
        for _ in range(accumulate):
            loss = ((model(x) - y) ** 2).mean()
            (scaler.scale(loss) if scaler else loss).backward()
        if before_step:
            before_step()
        if scaler:
            scaler.step(optimizer)
            scaler.update()
        else:
            optimizer.step()
    return model


def observed(path, work, **settings):
    journal = Journal(path)
    journal.begin("test", [], {})
    gauge = Gauge(journal, GaugeSettings(**settings))
    with interpose(Injection(), gauge):
        found = work()
    gauge.finish(found)
    gauge.close("finished")
    session = read_session(path)
    assert not [event.text for event in session.events if event.kind == "limit"]
    return session


OPTIMIZERS = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, weight_decay=1e-3),
    "adam": lambda p: torch.optim.Adam(p, lr=1e-2),
    "fused": lambda p: torch.optim.Adam(p, lr=1e-2, fused=True),
    "rmsprop": lambda p: torch.optim.RMSprop(p, lr=1e-2, centered=True),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_observing_changes_no_bit(tmp_path, name):
    plain = make()
    train(plain, OPTIMIZERS[name](plain.parameters()))
    drawn = torch.rand(3)
    watched = make()
    session = observed(tmp_path / "s", lambda: train(watched, OPTIMIZERS[name](watched.parameters())))
    assert torch.equal(torch.rand(3), drawn)  # the stream of random numbers is where it would have been
    assert all(torch.equal(a, b) for a, b in zip(plain.parameters(), watched.parameters(), strict=True))
    assert len(session.steps) == 12
    assert session.samples[0].number == 1


def test_names_laws_and_losses(tmp_path):
    model = make()
    session = observed(tmp_path / "s", lambda: train(model, torch.optim.Adam(model.parameters())))
    assert [tensor.name for tensor in session.tensors] == ["0.weight", "0.bias", "3.weight", "3.bias"]
    assert session.optimizers[0].target == "torch.optim:Adam"
    assert session.optimizers[0].law is not None
    assert session.optimizers[0].state_formats["exp_avg_sq"] == "float32"
    assert session.steps[0].loss == session.readings[0].value
    assert session.ending is not None
    assert session.ending.backwards == 12


def test_accumulation_counts_its_backwards(tmp_path):
    model = make()
    session = observed(tmp_path / "s", lambda: train(model, torch.optim.SGD(model.parameters(), lr=0.1), accumulate=3))
    assert {step.backwards for step in session.steps} == {3}
    assert all(len(step.losses) == 3 for step in session.steps)


@pytest.mark.parametrize(("unscale", "stage"), [(True, "unscaled"), (False, "scaled")])
def test_clips_carry_their_stage(tmp_path, unscale, stage):
    model = make()
    optimizer, scaler = torch.optim.SGD(model.parameters(), lr=0.1), torch.amp.GradScaler("cpu", init_scale=1024.0)

    def clip():
        if unscale:
            scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(model.parameters(), 0.5)

    session = observed(tmp_path / "s", lambda: train(model, optimizer, before_step=clip, scaler=scaler))
    clips = [step.clip for step in session.steps if step.clip]
    assert {clip.stage for clip in clips} == {stage}
    first = clips[0].norm
    assert first is not None
    assert (first > 100) == (stage == "scaled")
    assert session.steps[0].loss is not None
    assert session.steps[0].loss < 10  # in the user's own units: the scale is divided out
    assert session.steps[0].scale == 1024.0


def test_a_skipped_step_is_told(tmp_path):
    model = make()
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**127, growth_interval=1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    session = observed(tmp_path / "s", lambda: train(model, optimizer, scaler=scaler, steps=3, accumulate=64))
    assert session.steps[0].skipped


@pytest.mark.parametrize("zero", [True, False])
def test_gradients_that_are_never_zeroed_are_noticed(tmp_path, zero):
    model = make()
    session = observed(tmp_path / "s", lambda: train(model, torch.optim.SGD(model.parameters(), lr=1e-3), zero=zero))
    assert session.steps[0].stale is None
    assert {step.stale for step in session.steps[1:]} == {not zero}


def test_closures_are_read_after_the_step(tmp_path):
    model = make()
    optimizer = torch.optim.LBFGS(model.parameters(), max_iter=4)
    x, y = torch.randn(16, 4), torch.randn(16, 1)

    def closure():
        optimizer.zero_grad()
        loss = ((model(x) - y) ** 2).mean()
        loss.backward()
        return loss

    session = observed(tmp_path / "s", lambda: [optimizer.step(closure) for _ in range(3)])
    assert all(step.backwards > 1 for step in session.steps)
    assert [event.kind for event in session.events] == ["line-search"] * 3
    assert all(tensor.gradient_norm for sample in session.samples for tensor in sample.tensors)


def test_two_optimizers_of_one_loss_share_its_window(tmp_path):
    first, second = make(0), make(1)
    optimizers = [torch.optim.Adam(first.parameters()), torch.optim.SGD(second.parameters(), lr=0.1)]
    x = torch.randn(8, 4)

    def work():
        for _ in range(5):
            for optimizer in optimizers:
                optimizer.zero_grad()
            (first(x) + second(x)).pow(2).mean().backward()
            for optimizer in optimizers:
                optimizer.step()

    session = observed(tmp_path / "s", work)
    assert [step.optimizer for step in session.steps] == [0, 1] * 5
    assert [sample.optimizer for sample in session.samples] == [0, 1] * 5
    assert [step.backwards for step in session.steps] == [1, 0] * 5


def test_it_stops_where_asked_and_again_if_that_was_swallowed(tmp_path):
    model, caught = make(), []
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def work():
        for _ in range(2):
            try:
                train(model, optimizer, steps=10)
            except Stop:
                caught.append(1)

    session = observed(tmp_path / "s", work, stop_after=4)
    assert len(caught) == 2
    assert len(session.steps) == 4
    assert session.ending is not None
    assert session.ending.reason == "stopped"


def test_only_the_optimizers_asked_for_are_observed(tmp_path):
    first, second = make(0), make(1)
    mine, other = torch.optim.SGD(first.parameters(), lr=0.1), torch.optim.Adam(second.parameters())

    def work():
        train(first, mine, steps=3)
        train(second, other, steps=3)

    session = observed(tmp_path / "s", work, only=(mine,))
    assert [optimizer.target for optimizer in session.optimizers] == ["torch.optim:SGD"]
    assert len(session.steps) == 3


def test_a_forked_process_only_leaves_word(tmp_path):
    model = make()

    def work():
        child = os.fork()
        if not child:
            train(model, torch.optim.SGD(model.parameters(), lr=0.1), steps=3)
            os._exit(0)
        os.waitpid(child, 0)

    session = observed(tmp_path / "s", work)
    assert not session.steps
    assert [event.kind for event in session.events] == ["process"]


def test_a_mistake_of_ours_ends_the_observing_and_not_the_training(tmp_path, monkeypatch):
    def fail(*args, **kwargs):
        raise ZeroDivisionError("planted")

    monkeypatch.setattr("lossgauge.frameworks.torch.gauging.gauge.after", fail)
    plain, watched = make(), make()
    torch.manual_seed(5)
    train(plain, torch.optim.SGD(plain.parameters(), lr=0.1))
    torch.manual_seed(5)
    journal = Journal(tmp_path / "s")
    journal.begin("test", [], {})
    with interpose(Injection(), Gauge(journal)):
        train(watched, torch.optim.SGD(watched.parameters(), lr=0.1))
    assert all(torch.equal(a, b) for a, b in zip(plain.parameters(), watched.parameters(), strict=True))
    (event,) = read_session(tmp_path / "s").events
    assert event.kind == "limit"
    assert "planted" in event.text


def test_very_many_tensors_are_observed_in_part(tmp_path):
    parameters = [nn.Parameter(torch.ones(1)) for _ in range(2000)]
    optimizer = torch.optim.SGD(parameters, lr=0.1)

    def work():
        for _ in range(2):
            optimizer.zero_grad()
            torch.stack([p.sum() for p in parameters]).sum().backward()
            optimizer.step()

    session = observed(tmp_path / "s", work)
    assert session.optimizers[0].tensors == 2000
    assert 10 < len(session.tensors) < 100


def test_sinks_are_told_of_samples(tmp_path):
    model, told = make(), []
    observed(
        tmp_path / "s",
        lambda: train(model, torch.optim.Adam(model.parameters())),
        sink=lambda step, numbers: told.append((step, numbers)),
        schedule=Schedule(),
    )
    assert told[0][0] == 1
    assert "relative_update/0.weight" in told[-1][1]

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
import torch
from torch.optim import lr_scheduler

from lossgauge.errors import InputError, LawError
from lossgauge.laws.law import Law
from lossgauge.verbs.rescale import rescale
from tests.verbs.lawful import ADAM, ADAMW, CASES, SGD, Case, Training, broken, law, same

UP = 2.0**12


def continued(one: Case, known: Law, alpha: float, dtype: Any = torch.float32, steps: int = 50) -> bool:
    """Whether a training rescaled half-way ends where one left alone does."""
    untouched = Training.of(one, dtype).run(2 * steps)
    training = Training.of(one, dtype)
    before = training.run(steps)
    rescale(training.optimizer, alpha, law=known)
    training.alpha = alpha
    return same(before + training.run(steps), untouched)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
@pytest.mark.parametrize("alpha", [UP, 1 / UP])
@pytest.mark.parametrize("one", CASES, ids=lambda one: one.name)
def test_training_goes_on_bit_for_bit(one: Case, alpha: float, dtype: torch.dtype):
    assert continued(one, one.law, alpha, dtype)


@pytest.mark.parametrize("one", CASES, ids=lambda one: one.name)
def test_a_wrong_exponent_is_noticed(one: Case):
    training = Training.of(one)
    training.run(1)
    slots = {slot for slots in training.optimizer.state.values() for slot, value in slots.items() if value is not None}
    assert slots - {"step"} <= one.law.states.keys()
    held = [slot for slot in one.law.states if slot in slots - {"step"}]
    for name in [*one.law.exponents, *held]:
        field = "states" if name in held else "exponents"
        wrong = {**getattr(one.law, field), name: getattr(one.law, field)[name] + 1}
        noticed = not continued(one, replace(one.law, **{field: wrong}), UP, steps=12)
        assert noticed != (name in one.inert), name


def test_the_record_says_what_changed():
    training = Training(lambda w: torch.optim.Adam(w, lr=0.01, eps=1e-8, weight_decay=1e-4))
    training.run(3)
    record = rescale(training.optimizer, "2**10", law=ADAM, max_norm=1.0, clip_value=0.5)
    changed = {(c.place, c.name): (c.before, c.after, str(c.exponent)) for c in record.changes}
    assert changed["param_groups[0]", "eps"] == (1e-8, 1e-8 * 1024, "1")
    assert changed["defaults", "weight_decay"] == (1e-4, 1e-4 * 1024, "1")
    assert changed["clip", "max_norm"] == (1.0, 1024.0, "1")
    before, after, power = changed["state", "exp_avg_sq"]
    assert (after, power) == (before * 2**20, "2")
    assert not {"lr", "step"} & {name for _, name in changed}
    assert (record.max_norm, record.clip_value, record.optimizer, record.verdict) == (1024.0, 512.0, "Adam", "EXACT")
    plain = record.to_dict()
    assert (plain["schema"], plain["alpha"], plain["alpha_text"]) == ("lossgauge.rescale/1", 1024, "2**10")


def test_only_powers_of_two_promise_bits():
    build = lambda w: torch.optim.Adam(w, lr=0.01)  # noqa: E731
    assert rescale(Training(build).optimizer, 2**-9, law=ADAM).exact
    approximate = rescale(Training(build).optimizer, 1e5, law=ADAM)
    assert not approximate.exact
    assert "no power of two" in approximate.notes[0]
    half = law("Half", {}, lr=0)
    half = replace(half, exponents={"lr": Fraction(-1, 2)})
    assert rescale(Training(build).optimizer, 4, law=half).exact
    assert not rescale(Training(build).optimizer, 8, law=half).exact


def test_any_multiplier_is_right_to_rounding():
    one = next(c for c in CASES if c.name == "Adam")
    training = Training.of(one, torch.float64)
    training.run(50)
    rescale(training.optimizer, 1e5, law=one.law)
    training.alpha = 1e5
    untouched = Training.of(one, torch.float64).run(100)
    torch.testing.assert_close(training.run(50)[-1], untouched[-1], rtol=1e-9, atol=1e-9)


def sgd(weights: list[torch.nn.Parameter]) -> torch.optim.SGD:
    return torch.optim.SGD(weights, lr=0.05, momentum=0.9)


PLATEAU: dict[str, Any] = dict(factor=0.93, patience=2, min_lr=0.01)
SCHEDULES: dict[str, tuple[Callable[[Any], Any], bool]] = {
    # the second entry: whether leaving the scheduler out must be noticed
    "step": (lambda o: lr_scheduler.StepLR(o, 7, 0.7), False),
    "cosine": (lambda o: lr_scheduler.CosineAnnealingLR(o, 60, eta_min=0.01), True),
    "lambda": (lambda o: lr_scheduler.LambdaLR(o, lambda t: 1 / (1 + t)), True),
    "cyclic": (lambda o: lr_scheduler.CyclicLR(o, 0.01, 0.1, 6), True),
    "one cycle": (lambda o: lr_scheduler.OneCycleLR(o, 0.1, total_steps=120), False),
    "plateau abs": (lambda o: lr_scheduler.ReduceLROnPlateau(o, threshold=0.5, threshold_mode="abs", **PLATEAU), True),
    "plateau rel": (lambda o: lr_scheduler.ReduceLROnPlateau(o, **PLATEAU), True),
    "sequence": (
        lambda o: lr_scheduler.SequentialLR(
            o, [lr_scheduler.LinearLR(o, 0.1), lr_scheduler.CosineAnnealingLR(o, 60, eta_min=0.01)], [55]
        ),
        True,
    ),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules_go_on(name: str):
    make, matters = SCHEDULES[name]

    def run(alpha: float, with_scheduler: bool) -> list[list[torch.Tensor]]:
        training = Training(sgd)
        training.scheduler = make(training.optimizer)
        before = training.run(50)
        scheduler = training.scheduler if with_scheduler else None
        rescale(training.optimizer, alpha, law=SGD, scheduler=scheduler)
        training.alpha = alpha
        return before + training.run(50)

    untouched = run(1, True)
    assert same(run(UP, True), untouched)
    assert same(run(UP, False), untouched) != matters


def test_a_plateau_of_something_else_than_a_loss_is_left_alone():
    training = Training(sgd)
    scheduler = lr_scheduler.ReduceLROnPlateau(training.optimizer, mode="max", threshold=0.5, threshold_mode="abs")
    scheduler.step(0.25)
    record = rescale(training.optimizer, UP, law=SGD, scheduler=scheduler)
    assert (scheduler.threshold, scheduler.best) == (0.5, 0.25)
    assert scheduler.eps == 1e-8 / UP
    assert any("no loss" in note for note in record.notes)


def test_the_product_of_alpha_and_the_scale_stays():
    def run(alpha: float, with_scaler: bool) -> tuple[Any, ...]:
        training = Training(sgd)
        training.scaler = torch.amp.GradScaler("cpu", init_scale=1024.0, growth_interval=20)
        before = training.run(50)
        rescale(training.optimizer, alpha, law=SGD, scaler=training.scaler if with_scaler else None)
        training.alpha = alpha
        return before + training.run(50), training.scaled_gradients, training.scaler.get_scale() * alpha

    weights, gradients, product = run(1, True)
    after, scaled, scale = run(UP, True)
    assert same(after, weights)
    assert same([scaled], [gradients])
    assert scale == product
    assert not same([run(UP, False)[1]], [gradients])


@pytest.mark.parametrize("unused", [True, False])
def test_a_scaler_that_has_not_scaled_yet_is_rescaled_too(unused: bool):
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    if not unused:
        scaler.scale(torch.ones(()))
    rescale(Training(sgd).optimizer, 16, law=SGD, scaler=scaler)
    assert scaler.scale(torch.ones(())).item() == 64.0
    off = rescale(Training(sgd).optimizer, 16, law=SGD, scaler=torch.amp.GradScaler("cpu", enabled=False))
    assert any("disabled" in note for note in off.notes)


@pytest.mark.parametrize("name", ["max_norm", "clip_value"])
def test_clipping_goes_on(name: str):
    clip = getattr(torch.nn.utils, {"max_norm": "clip_grad_norm_", "clip_value": "clip_grad_value_"}[name])
    large = 2.0**30  # far above the constant 1e-6 that clip_grad_norm_ adds to the norm

    def run(alpha: float, rescaled: bool) -> list[list[torch.Tensor]]:
        training = Training(lambda w: torch.optim.SGD(w, lr=0.1 / large))
        training.alpha, threshold = large, large / 2
        training.clip = lambda weights: clip(weights, threshold)
        before = training.run(50)
        record = rescale(training.optimizer, alpha, law=SGD, max_norm=threshold, clip_value=threshold)
        training.alpha *= alpha
        threshold = getattr(record, name) if rescaled else threshold
        return before + training.run(50)

    untouched = run(1, True)
    assert same(run(UP, True), untouched)
    assert same(run(1 / UP, True), untouched)
    assert not same(run(UP, False), untouched)


def grouped(kind: type, flags: list[dict[str, Any]]) -> Callable[[list[torch.nn.Parameter]], Any]:
    return lambda weights: kind([{"params": [w], **f} for w, f in zip(weights, flags, strict=True)], lr=0.05)


def test_every_group_is_rescaled_with_its_own_numbers():
    build = grouped(torch.optim.Adam, [{"eps": 0.1}, {"eps": 0.01, "weight_decay": 0.03, "lr": 0.01}])
    assert continued(Case("groups", build, ADAM), ADAM, UP)


def test_one_learning_rate_tensor_of_several_groups_is_multiplied_once():
    rate = torch.tensor(0.05)
    build = lambda w: torch.optim.SGD([{"params": [p]} for p in w], lr=rate.clone(), momentum=0.9)  # noqa: E731
    assert continued(Case("tensor lr", build, SGD), SGD, UP)
    training = Training(build)
    held = training.optimizer.param_groups[0]["lr"]
    rescale(training.optimizer, 16, law=SGD)
    assert held is training.optimizer.param_groups[1]["lr"]
    assert torch.equal(held, rate / 16)


def test_a_state_dict_continues_in_a_fresh_optimizer():
    one = next(c for c in CASES if c.name == "Adam amsgrad")
    training = Training.of(one)
    before = training.run(50)
    content = training.optimizer.state_dict()
    rescale(content, UP, law=one.law)
    untouched = Training.of(one).run(100)
    twin = Training.of(one)
    twin.run(50)
    fresh = one.build(twin.weights)
    fresh.load_state_dict(content)
    assert same(training.run(50), untouched[50:]), "the optimizer it came from must stay as it is"
    twin.optimizer, twin.alpha = fresh, UP
    assert same(before + twin.run(50), untouched)


def test_a_broken_law_is_refused_and_forced():
    radam = broken("RAdam", {"step": 0, "exp_avg": 1, "exp_avg_sq": 2}, eps=1, weight_decay=1)
    build = lambda w: torch.optim.RAdam(w, lr=0.03, eps=0.05, weight_decay=0.02)  # noqa: E731
    training = Training(build)
    with pytest.raises(
        LawError, match=r"RAdam is BROKEN.*radam.py:300 needs.*use lr/α .* for the first 5 steps.*force"
    ):
        rescale(training.optimizer, UP, law=radam)
    record = rescale(training.optimizer, UP, law=radam, force=True)
    assert not record.exact
    assert "approximation, because RAdam is BROKEN" in record.notes[0]
    untouched = Training(build).run(60)
    for start, goes_on in ((0, False), (10, True)):  # its first five steps are plain descent, the later ones Adam's
        late = Training(build)
        late.run(start)
        rescale(late.optimizer, UP, law=radam, force=True)
        late.alpha = UP
        assert same(late.run(60 - start), untouched[start:]) == goes_on


def test_the_law_is_looked_up(monkeypatch: pytest.MonkeyPatch):
    asked: list[Any] = []

    def law_of_optimizer(optimizer: Any) -> Law:
        asked.append(type(optimizer).__name__)
        return ADAM

    def law_of_name(name: str, settings: dict[str, Any]) -> Law:
        asked.append((name, settings["decoupled_weight_decay"]))
        return ADAMW if settings["decoupled_weight_decay"] else ADAM

    monkeypatch.setattr("lossgauge.verbs.laws.law_of_optimizer", law_of_optimizer)
    monkeypatch.setattr("lossgauge.verbs.laws.law_of_name", law_of_name)
    plain = Training(lambda w: torch.optim.Adam(w))
    rescale(plain.optimizer, 2)
    rescale(plain.optimizer.state_dict(), 2, optimizer="adam")
    mixed = Training(
        grouped(torch.optim.Adam, [dict(weight_decay=0.5, decoupled_weight_decay=d) for d in (True, False)])
    )  # type: ignore[misc]
    rescale(mixed.optimizer, 2)
    assert [group["weight_decay"] for group in mixed.optimizer.param_groups] == [0.5, 1.0]
    by_name = [("torch.optim:Adam", d) for d in (True, False, False)]
    assert asked == ["Adam", ("adam", False), ("adam", False), *by_name]
    with pytest.raises(InputError, match="does not name its optimizer"):
        rescale(plain.optimizer.state_dict(), 2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"alpha": 0}, "alpha is 0"),
        ({"alpha": "many"}, "not a number"),
        ({"alpha": 2, "max_norm": -1.0}, "max_norm is -1.0"),
        ({"alpha": 2, "clip_value": float("nan")}, "clip_value is nan"),
        ({"alpha": 2, "scheduler": 3}, "expected a torch scheduler"),
        ({"alpha": 2, "scaler": object()}, "expected a torch GradScaler"),
    ],
)
def test_bad_input_is_refused(arguments: dict[str, Any], message: str):
    training = Training(sgd)
    with pytest.raises(InputError, match=message):
        rescale(training.optimizer, law=SGD, **arguments)
    assert training.optimizer.param_groups[0]["lr"] == 0.05


@pytest.mark.parametrize("subject", [3, {"state": {}}, {"state": {}, "param_groups": []}, torch.nn.Linear(1, 1), None])
def test_what_is_no_optimizer_is_refused(subject: Any):
    with pytest.raises(InputError, match="expected a torch optimizer"):
        rescale(subject, 2, law=SGD)

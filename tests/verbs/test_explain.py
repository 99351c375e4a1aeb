import json
import math
from fractions import Fraction
from types import SimpleNamespace

import pytest
import torch

import lossgauge.laws.table
import lossgauge.verbs.laws
from lossgauge.errors import InputError
from lossgauge.laws.advice import warm_up
from lossgauge.laws.verdict import Verdict
from lossgauge.verbs.explain import explain
from tests.known_laws import CLIP_CONSTANT, TABLE

EXAMPLE = {"lr": 2e-3, "eps": 1e-8, "weight_decay": 1e-4, "max_norm": 1}


@pytest.fixture(autouse=True)
def known_laws(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(lossgauge.laws.table, "read_table", lambda: TABLE)


def test_the_asker_s_optimizer():
    said = explain("nadam", "1e5", settings=EXAMPLE)
    assert {h: said.equivalent[h] for h in EXAMPLE} == {"lr": 2e-3, "eps": 1e-3, "weight_decay": 10, "max_norm": 1e5}
    assert said.counterparts[0].untouched["eps"] == 1e-13
    assert said.counterparts[0].untouched["weight_decay"] == 1e-9
    assert "eps 1e-8 → 1e-13" in said.untouched
    assert "weight_decay 1e-4 → 10" in said.advice[0]
    assert said.hidden_constants == (CLIP_CONSTANT,)


def test_the_document_has_the_promised_fields():
    plain = explain("nadam", 1e5, settings=EXAMPLE).to_dict()
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert plain["schema"] == "lossgauge.explain/1"
    assert plain["optimizer"] == "torch.optim:NAdam"
    assert plain["alpha"] == 1e5
    assert plain["exponents"]["eps"] == plain["exponents"]["max_norm"] == "1"
    assert plain["exponents"]["lr"] == "0"
    assert plain["settings"]["betas[1]"] == plain["equivalent"]["betas[1]"] == 0.999
    assert plain["hidden_constants"][0]["value"] == 1e-6
    assert plain["hidden_constants"][0]["where"]
    assert "param_groups" not in plain
    assert plain["groups"] == ["eps/α", "weight_decay/α", "max_norm/α"]


@pytest.mark.parametrize("name", [row.law.target for row in TABLE.values()])
@pytest.mark.parametrize("alpha", ["2**20", "1/64", "1e5"])
def test_there_and_back_again(name: str, alpha: str):
    """Explaining 1/α for the equivalent settings gives the settings back; for 2^m with the same bits."""
    settings = {h: 0.5 for h, power in TABLE[name].law.exponents.items() if power}
    there = explain(name, alpha, settings=settings)
    given = {h: there.equivalent[h] for h in settings}
    back = explain(name, 1 / there.alpha, settings=given)
    for h in settings:
        assert math.isclose(back.equivalent[h], 0.5, rel_tol=0 if "1e5" not in alpha else 1e-12)
        assert there.counterparts[0].untouched[h] == explain(name, 1 / there.alpha, settings=settings).equivalent[h]


def test_fractional_exponents():
    said = explain("zoo:Madgrad", 16, settings={"lr": 0.5, "eps": 1.0})
    assert said.equivalent["lr"] == 0.125
    assert said.equivalent["eps"] == 64
    assert said.to_dict()["exponents"]["lr"] == "-1/2"


@pytest.mark.parametrize(
    ("optimizer", "alpha", "settings", "words"),
    [
        ("sgd", 1e5, {"weight_decay": 1e-4}, "multiplying lr by 1e5 and dividing weight_decay by 1e5"),
        ("sgd", 1e5, {}, "acts like multiplying lr by 1e5."),
        ("adam", 8, {}, "only eps still notices it"),
        ("adamw", 8, {"weight_decay": 0.1}, "only eps still notices it"),
        ("adam", 8, {"weight_decay": 0.1}, "only eps and weight_decay still notice it"),
        ("adam", 8, {"eps": 0}, "changes nothing at these settings"),
        ("rprop", 8, {}, "changes nothing"),
        ("radam", 8, {}, "radam.py:364"),
        ("zoo:Madgrad", 16, {}, "to the power 1/2, so a loss 16 times as large acts like multiplying lr by 4 and"),
        ("clip_grad_norm_", 8, {}, "clip_grad.py:166"),
        ("clip_grad_value_", 8, {}, "clip_value of clip_grad_value_ carries a unit of the loss"),
        ("CosineAnnealingLR", 8, {}, "eta_min like lr"),
    ],
)
def test_a_sentence_for_beginners(optimizer: str, alpha: float, settings: dict[str, float], words: str):
    assert words in explain(optimizer, alpha, settings=settings).summary


def test_radam_s_remedy():
    said = explain("radam", 1024, settings={"lr": 1e-3})
    assert said.verdict is Verdict.BROKEN
    assert "9.76563e-7 for the first 5 steps" in said.advice[0]
    assert said.equivalent["lr"] == 1e-3
    assert not said.exact


def test_radam_s_first_steps_are_those_of_torch():
    """The count by the formula against the step at which torch's own RAdam stops being proportional to the loss."""

    def moved(steps: int, alpha: float, beta: float) -> float:
        weight = torch.nn.Parameter(torch.zeros(1, dtype=torch.float64))
        optimizer = torch.optim.RAdam([weight], lr=1.0, betas=(0.9, beta), eps=1e-300, foreach=False)
        for step in range(steps):
            weight.data.zero_()
            weight.grad = torch.full_like(weight, alpha * (1 + step))
            optimizer.step()
        return weight.item()

    for beta in (0.999, 0.9, 0.75):
        steps = warm_up({"betas[1]": beta})
        assert steps is not None
        assert moved(steps, 4.0, beta) / moved(steps, 1.0, beta) == 4
        assert moved(steps + 1, 4.0, beta) / moved(steps + 1, 1.0, beta) == 1
    assert warm_up({"betas[1]": 0.6}) is None


@pytest.mark.parametrize(
    ("name", "value", "extra", "power"),
    [
        ("max_norm", 2.0, {}, 1),
        ("clip_value", 2.0, {}, 1),
        ("min_lr", 1e-6, {}, -1),
        ("eta_min", 1e-6, {}, -1),
        ("max_lr", 1.0, {}, -1),
        ("base_lr", 1.0, {}, -1),
        ("threshold", 1e-4, {}, 0),
        ("threshold", 1e-4, {"threshold_mode": "rel"}, 0),
        ("threshold", 1e-4, {"threshold_mode": "abs"}, 1),
        ("min_delta", 1e-3, {}, 1),
        ("init_scale", 65536.0, {}, -1),
        ("noise_sigma", 0.1, {}, 1),
    ],
)
def test_what_stands_beside_the_optimizer(name: str, value: float, extra: dict[str, str], power: int):
    said = explain("sgd", 4, settings={name: value, **extra})
    assert said.exponents[name] == power
    assert said.equivalent[name] == value * 4.0**power


def test_a_schedule_of_adam_carries_nothing():
    assert explain("adam", 4, settings={"min_lr": 1e-6}).equivalent["min_lr"] == 1e-6


def test_clipping_far_from_its_constant_is_close_and_near_it_broken():
    assert explain("adam", 8).verdict is Verdict.EXACT
    far = explain("adam", 8, settings={"max_norm": 1.0})
    assert far.verdict is Verdict.CLOSE
    assert "about 7 float32 ulps" in far.inexact[0]
    assert explain("adam", 8, settings={"max_norm": 1e-5}).verdict is Verdict.BROKEN
    assert explain("adam", "2**-20", settings={"max_norm": 1.0}).verdict is Verdict.BROKEN
    assert explain("adam", 8, settings={"clip_value": 1e-5}).verdict is Verdict.EXACT


@pytest.mark.parametrize(("alpha", "norm"), [(8.0, 0.05), (2.0**-8, 1.0)])
def test_the_share_of_the_constant_is_what_torch_does(alpha: float, norm: float):
    """The bound that is stated holds for gradients just above the threshold, and not by a wide margin."""

    def clipped(factor: float) -> float:
        weight = torch.nn.Parameter(torch.zeros(1, dtype=torch.float64))
        weight.grad = torch.full_like(weight, factor * norm * 1.0001)
        torch.nn.utils.clip_grad_norm_([weight], factor * norm)
        return weight.grad.item() / factor

    share = abs(clipped(alpha) / clipped(1.0) - 1)
    bound = 1e-6 * abs(1 / alpha - 1) / norm
    assert 0.9 * bound < share <= bound


def test_structure_selects_the_variant():
    coupled = explain("adam", 4, settings={"weight_decay": 0.1})
    decoupled = explain("adam", 4, settings={"weight_decay": 0.1, "decoupled_weight_decay": True})
    assert coupled.equivalent["weight_decay"] == 0.4
    assert decoupled.equivalent["weight_decay"] == 0.1


def test_a_live_optimizer_with_two_groups():
    first, second = (torch.nn.Parameter(torch.zeros(2)) for _ in range(2))
    optimizer = torch.optim.Adam(
        [{"params": [first], "weight_decay": 0.01}, {"params": [second], "lr": torch.tensor(0.25), "eps": 1e-6}]
    )
    torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 5)
    plain = explain(optimizer, "2**4", settings={"max_norm": 2}).to_dict()
    json.dumps(plain, allow_nan=False)
    groups = plain["param_groups"]
    assert [group["equivalent"]["eps"] for group in groups] == [16 * 1e-8, 16 * 1e-6]
    assert [group["equivalent"]["weight_decay"] for group in groups] == [0.16, 0]
    assert [group["equivalent"]["max_norm"] for group in groups] == [32, 32]
    assert groups[1]["settings"]["lr"] == 0.25
    assert plain["settings"] == groups[0]["settings"]
    assert "group 1" in plain["advice"]
    assert "params" not in groups[0]["settings"]


def test_the_live_optimizer_is_not_touched():
    weight = torch.nn.Parameter(torch.zeros(2))
    optimizer = torch.optim.SGD([weight], lr=0.5)
    before = dict(optimizer.param_groups[0])
    assert explain(optimizer, 4).equivalent["lr"] == 0.125
    assert optimizer.param_groups[0] == before


def test_somebody_s_own_class_is_discovered_and_not_taken_for_torch_s(monkeypatch: pytest.MonkeyPatch):
    class Adam(torch.optim.Adam):
        pass

    found = TABLE["zoo:Madgrad"].law.with_target("mine:Adam")
    monkeypatch.setattr(lossgauge.verbs.laws, "_discovered_class", lambda cls, _: {Adam: found}[cls])
    said = explain(Adam([torch.nn.Parameter(torch.zeros(2))], lr=0.5), 4)
    assert said.optimizer == "mine:Adam"
    assert said.equivalent["lr"] == 0.25


def test_a_wrapper_is_looked_through():
    wrapper = SimpleNamespace(optimizer=torch.optim.SGD([torch.nn.Parameter(torch.zeros(2))], lr=0.5))
    assert explain(wrapper, 4).equivalent["lr"] == 0.125


def test_causes_multiply():
    assert explain("sgd", before="sum", after="mean", items=256).alpha == Fraction(1, 256)
    assert explain("sgd", accumulate=8, world_size=4).alpha == 2
    assert explain("sgd", 3, accumulate=8).alpha == 24


def test_exactness_is_claimed_for_powers_of_two_only():
    assert "bit for bit, as long as" in explain("sgd", "2**17").exact[0]
    said = explain("sgd", 1e5).exact[0]
    assert "to rounding" in said
    assert "2**16" in said


def test_a_number_that_nearly_vanishes_is_noted():
    assert "may act as 0" in explain("adam", "1e-32").to_dict()["advice"]
    assert "may act as 0" not in explain("adam", "1e-25").to_dict()["advice"]


def test_a_wider_format_takes_a_larger_multiplier():
    with pytest.raises(InputError, match=r"^eps would have to be 1e-8·α\^1 = 1e92, beyond the largest float32"):
        explain("adam", 1e100)
    assert explain("adam", 1e100, dtype="float64").equivalent["eps"] == 1e92


@pytest.mark.parametrize(
    ("optimizer", "alpha", "options", "words"),
    [
        ("nadm", 2, {}, "did you mean 'nadam'"),
        ("adam", None, {}, "no loss multiplier was given; write --alpha 1e5"),
        ("adam", 0, {}, "alpha is 0, expected a number above 0"),
        ("adam", -3, {}, "expected a number above 0"),
        ("adam", math.nan, {}, "not a number"),
        ("adam", math.inf, {}, "not a number"),
        ("adam", "1e400", {}, "eps"),
        ("rprop", "1e400", {}, "alpha is 1e400, above the largest float32 number"),
        ("rprop", "1e-60", {}, "so the loss would be 0"),
        ("adam", 2, {"settings": {"epz": 1}}, "Adam has no setting 'epz'; did you mean 'eps'?"),
        ("adam", 2, {"settings": {"max_nrm": 1}}, "did you mean 'max_norm'?"),
        ("adam", 2, {"settings": {"betas": 0.9}}, "betas of Adam has 2 entries"),
        ("adam", 2, {"settings": {"eps[0]": 1}}, "eps of Adam is one number"),
        ("adam", 2, {"settings": {"eps": "small"}}, "eps is 'small', expected a number"),
        ("adam", 2, {"settings": {"eps": math.inf}}, "eps is inf, expected a finite number"),
        ("adam", 2, {"settings": {"eps": None}}, "eps is None, expected a number"),
        ("adam", 2, {"settings": {"maximize": 1}}, "maximize is 1, expected true or false"),
        ("adam", 2, {"settings": {"max_norm": "1 or so"}}, "max_norm is '1 or so', expected a number"),
        ("adam", 2, {"settings": {"threshold_mode": "both"}}, "expected 'rel' or 'abs'"),
        ("adam", 2, {"dtype": "float8"}, "dtype is 'float8', expected one of"),
        ("adam", None, {"before": "sum"}, "expected 'sum' or 'mean'"),
        ("adam", None, {"items": 0}, "items is 0, expected a whole number"),
        (object(), 2, {}, "object is no optimizer"),
    ],
)
def test_bad_input_is_refused_in_one_line(optimizer: object, alpha: object, options: dict[str, object], words: str):
    with pytest.raises(InputError) as refusal:
        explain(optimizer, alpha, **options)  # pyright: ignore[reportArgumentType]
    assert words in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("alpha", ["2**8", "1/256", "10"])
def test_every_law_that_is_shipped_can_be_explained(alpha: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.undo()
    for target, row in lossgauge.laws.table.read_table().items():
        said = explain(target, alpha)
        json.dumps(said.to_dict(), allow_nan=False)
        assert said.verdict is row.law.verdict
        for h, power in row.law.exponents.items():
            if power and said.settings.get(h):
                assert said.equivalent[h] == pytest.approx(said.settings[h] * float(said.alpha) ** float(power))

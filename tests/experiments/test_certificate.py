from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest

from lossgauge.errors import LawError
from lossgauge.laws.verdict import Verdict
from lossgauge.records.proof import Proof
from lossgauge.verbs.prove import prove
from tests.trainings import examples
from tests.trainings.laws import CLIPS, law_of, wrong_law_of


def proved(train: Callable[[], Any], alpha: Any = 2**17, laws: Any = law_of) -> Proof:
    return prove(train, alpha, law_of=laws, companion_laws=dict(CLIPS))


@pytest.mark.parametrize(
    ("train", "caught", "inert"),
    [
        (examples.sgd, {"lr", "momentum", "weight_decay"}, {"dampening"}),
        (examples.adam, {"lr", "eps", "weight_decay", "betas[0]", "betas[1]"}, set()),
        (examples.adam_with_tensor_lr, {"lr", "eps", "betas[0]", "betas[1]"}, {"weight_decay"}),
        (examples.adagrad, {"lr", "eps", "initial_accumulator_value"}, {"weight_decay", "lr_decay"}),
        (examples.mixed_precision, {"lr", "eps", "weight_decay", "betas[0]", "betas[1]", "clip_value"}, set()),
        (examples.sgd_clipped_by_value, {"lr", "clip_value"}, {"momentum", "dampening", "weight_decay"}),
        (examples.closed, {"lr"}, {"momentum", "dampening", "weight_decay"}),
        (examples.plateau, {"lr", "eps", "betas[0]", "betas[1]", "threshold"}, {"weight_decay"}),
        (examples.checkpointed, {"lr", "momentum"}, {"dampening", "weight_decay"}),
        (examples.derivative_in_the_loss, {"lr", "eps", "betas[0]", "betas[1]"}, {"weight_decay"}),
    ],
)
def test_lawful_trainings_are_exact_and_every_violation_is_caught(train: Any, caught: set[str], inert: set[str]):
    proof = proved(train)
    assert proof.verdict == Verdict.EXACT, proof
    assert (set(proof.violations_caught), set(proof.inert)) == (caught, inert)
    assert proof.first_difference is None
    assert proof.steps == examples.STEPS


def test_quantities_are_named_by_their_optimizer_only_where_that_is_needed():
    proof = proved(examples.two_optimizers)
    assert proof.verdict == Verdict.EXACT
    assert {"SGD.lr", "Adam.lr", "eps", "betas[0]"} <= set(proof.violations_caught)
    assert {"SGD.weight_decay", "Adam.weight_decay", "momentum"} <= set(proof.inert)
    assert proof.steps == 2 * examples.STEPS


@pytest.mark.parametrize("alpha", ["2**17", "1/256", 2])
def test_bits_are_compared_at_the_multiplier_itself(alpha: Any):
    proof = proved(examples.sgd, alpha)
    assert proof.verdict == Verdict.EXACT
    assert proof.certified_at == proof.alpha
    assert not proof.notes


def test_another_multiplier_is_certified_at_the_nearest_power_of_two():
    proof = proved(examples.sgd, 1e5)
    assert (proof.verdict, proof.alpha, proof.certified_at) == (Verdict.EXACT, 10**5, 2**17)
    assert "compared at 2**17" in proof.notes[0]


@pytest.mark.parametrize("train", [examples.adam, examples.adagrad])
def test_a_wrong_law_is_caught(train: Any):
    proof = proved(train, laws=wrong_law_of)
    assert proof.verdict in (Verdict.BROKEN, Verdict.CLOSE)
    assert proof.first_difference is not None
    assert proof.first_difference.step == 1
    assert proof.first_difference.tensor == "0.weight"
    assert isinstance(proof.first_difference.ulps, int)
    assert proof.first_difference.ulps > 0


def test_a_hidden_constant_is_named_with_its_line():
    proof = proved(examples.nadam_clipped_by_norm)
    assert proof.verdict == Verdict.BROKEN
    assert "clip_grad_norm_ has no law: the constant 1e-06 at clip_grad.py:155" in proof.reason


def test_a_broken_clip_function_that_did_not_matter_is_a_note():
    proof = proved(examples.sgd_clipped_by_another_name)
    assert proof.verdict == Verdict.EXACT
    assert "clip_grad_norm_ has no law in general" in proof.notes[0]
    assert {"max_norm", "momentum"} <= set(proof.inert)


def test_a_broken_optimizer_is_broken_with_its_reason_or_equal_by_bits():
    proof = proved(examples.lbfgs)
    assert proof.verdict == Verdict.BROKEN
    assert "LBFGS has no law: lbfgs.py:400" in proof.reason


def test_a_threshold_nobody_knows_of_is_found():
    proof = proved(examples.sgd_with_a_clip_of_its_own)
    assert proof.verdict == Verdict.BROKEN
    assert "clip function of its own" in proof.reason


@pytest.mark.parametrize(
    ("train", "reason"),
    [
        (examples.unseeded, "does not repeat itself: untouched, it differs from itself at step 0, weight; seed"),
        (examples.motionless, "moves nothing"),
        (examples.stepless, "makes no optimizer step"),
        (examples.without_backward, "no backward"),
        (examples.exploding, "not finite from step"),
    ],
)
def test_what_cannot_be_established_is_undecided(train: Any, reason: str):
    proof = proved(train)
    assert proof.verdict == Verdict.UNDECIDED
    assert reason in proof.reason
    assert not proof.violations_caught


def test_an_optimizer_without_a_known_law_is_undecided():
    def lost(optimizer: object):
        raise LawError("no exponents are known for it")

    proof = proved(examples.sgd, laws=lost)
    assert proof.verdict == Verdict.UNDECIDED
    assert "torch.optim:SGD could not be found: no exponents are known for it" in proof.reason


def test_a_multiplier_out_of_the_range_of_the_format_is_told_apart_from_a_wrong_law():
    proof = proved(examples.adam, 2**100)
    assert proof.verdict != Verdict.EXACT
    assert "equal at 2 but not at 2**100" in proof.reason


def test_the_record_is_plain_data():
    plain = proved(examples.adam).to_dict()
    assert plain["schema"] == "lossgauge.prove/1"
    assert (plain["verdict"], plain["alpha"], plain["steps"]) == ("EXACT", 131072, 6)
    assert plain["first_difference"] is None
    assert plain["optimizers"][0]["exponents"]["eps"] == "1"
    assert plain["certified_at"] == Fraction(2) ** 17


def test_first_differences_are_plain_data():
    plain = proved(examples.adam, laws=wrong_law_of).to_dict()
    assert set(plain["first_difference"]) == {"step", "tensor", "ulps"}

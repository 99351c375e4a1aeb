"""The losses with a name against their formulas, written out once more."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from lossgauge.errors import InputError
from lossgauge.frameworks.torch.comparison.losses import FORMULAS, focal, weighted_cross_entropy

GAMMAS = (0.0, 0.5, 1.0, 2.0, 5.0)


@pytest.fixture
def logits() -> Tensor:
    return torch.randn(20, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 3


@pytest.fixture
def labels() -> Tensor:
    return torch.arange(20) % 4


def closed_form(logits: Tensor, labels: Tensor, gamma: float) -> tuple[Tensor, Tensor]:
    """Focal loss and its derivative by the logits: (1−p)^γ − γ·p·(1−p)^(γ−1)·log p times that of cross-entropy."""
    softmax = torch.softmax(logits, 1)
    p = softmax[torch.arange(len(labels)), labels]
    weight = (1 - p) ** gamma - gamma * p * (1 - p) ** (gamma - 1) * p.log()
    entropy = softmax - functional.one_hot(labels, logits.shape[1])
    return (-((1 - p) ** gamma) * p.log()).mean(), weight[:, None] * entropy / len(labels)


def agrees(loss: Tensor, leaf: Tensor, expected: tuple[Tensor, Tensor]) -> bool:
    (gradient,) = torch.autograd.grad(loss, leaf)
    return torch.allclose(loss, expected[0], rtol=1e-12) and torch.allclose(gradient, expected[1], rtol=1e-9)


@pytest.mark.parametrize("gamma", GAMMAS)
def test_focal_loss_is_its_formula(gamma: float, logits: Tensor, labels: Tensor):
    leaf = logits.clone().requires_grad_()
    assert agrees(focal(leaf, labels, gamma), leaf, closed_form(logits, labels, gamma))
    assert torch.autograd.gradcheck(lambda z: focal(z, labels, gamma), (leaf,))


def test_a_wrong_focus_is_caught(logits: Tensor, labels: Tensor):
    leaf = logits.clone().requires_grad_()
    assert not agrees(focal(leaf, labels, 2.001), leaf, closed_form(logits, labels, 2.0))


def test_without_focus_it_is_cross_entropy(logits: Tensor, labels: Tensor):
    one, other = logits.clone().requires_grad_(), logits.clone().requires_grad_()
    focal(one, labels, 0.0).backward()
    functional.cross_entropy(other, labels).backward()
    assert one.grad is not None
    assert other.grad is not None
    assert torch.allclose(one.grad, other.grad, rtol=1e-14, atol=1e-16)


@pytest.mark.parametrize("gamma", GAMMAS)
def test_a_sample_that_is_certain_has_a_finite_gradient(gamma: float):
    logits = torch.tensor([[200.0, 0.0], [-200.0, 0.0]], requires_grad=True)
    (gradient,) = torch.autograd.grad(focal(logits, torch.tensor([0, 0]), gamma), logits)
    assert torch.isfinite(gradient).all()
    assert gradient[1, 0] == -0.5


def test_a_place_that_is_left_out_counts_for_nothing(logits: Tensor, labels: Tensor):
    kept = labels.clone()
    kept[::3] = -100
    expected = functional.cross_entropy(logits, kept)
    assert torch.allclose(focal(logits, kept, 0.0), expected, rtol=1e-14)
    assert not torch.allclose(focal(logits, labels, 0.0), expected, rtol=1e-3)


def test_places_of_an_image(logits: Tensor, labels: Tensor):
    image, classes = logits.reshape(5, 4, 4).movedim(1, 2), labels.reshape(5, 4)
    flat = focal(image.movedim(1, 2).reshape(20, 4), classes.reshape(20))
    assert torch.allclose(focal(image, classes), flat, rtol=1e-14)


def test_weighted_cross_entropy_divides_by_the_weights(logits: Tensor, labels: Tensor):
    each = functional.cross_entropy(logits, labels, reduction="none")
    weights = torch.tensor([1.0, 2.0, 3.0, 4.0], dtype=torch.float64)[labels]
    expected = (weights * each).sum() / weights.sum()
    assert torch.allclose(weighted_cross_entropy(logits, labels), expected, rtol=1e-14)
    assert torch.allclose(weighted_cross_entropy(logits, labels, (2, 4, 6, 8)), expected, rtol=1e-14)
    assert not torch.allclose(weighted_cross_entropy(logits, labels), (weights * each).mean(), rtol=1e-2)


def test_weights_are_counted(logits: Tensor, labels: Tensor):
    with pytest.raises(InputError, match="2 weights, expected one for each of 4 classes"):
        weighted_cross_entropy(logits, labels, (1.0, 2.0))


def test_the_others_are_what_their_names_say():
    residual = torch.tensor([0.25, -3.0], dtype=torch.float64)
    zero = torch.zeros(2, dtype=torch.float64)
    values = {name: FORMULAS[name].function(residual, zero, **FORMULAS[name].parameters) for name in
              ("mse", "mse-sum", "mae", "huber", "smooth-l1")}  # fmt: skip
    expected = {"mse": 9.0625 / 2, "mse-sum": 9.0625, "mae": 1.625, "huber": (0.03125 + 2.5) / 2}
    assert {name: float(values[name]) for name in expected} == expected
    assert values["smooth-l1"] == values["huber"]
    logits, labels = torch.tensor([[2.0], [-1.0]]), torch.tensor([[1.0], [0.0]])
    p = torch.sigmoid(logits)
    expected = -(labels * p.log() + (1 - labels) * (1 - p).log()).mean()
    assert torch.allclose(FORMULAS["bce"].function(logits, labels), expected)
    three, which = torch.tensor([[2.0, 0.0, -1.0]]), torch.tensor([0])
    spread = torch.tensor([[0.9 + 0.1 / 3, 0.1 / 3, 0.1 / 3]])
    smooth = -(spread * torch.log_softmax(three, 1)).sum()
    assert torch.allclose(FORMULAS["label-smoothing"].function(three, which, smoothing=0.1), smooth)
    twice = [FORMULAS[name].function(three.expand(2, 3), which.expand(2)) for name in
             ("cross-entropy", "cross-entropy-sum")]  # fmt: skip
    assert torch.allclose(2 * twice[0], twice[1])

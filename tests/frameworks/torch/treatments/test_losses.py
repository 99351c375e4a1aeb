"""The whole loss, one of its terms, the knee of a robust one: as if it had been written that way."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.optim import LBFGS, SGD, Adam
from torch.optim.lr_scheduler import ReduceLROnPlateau
from torch.utils.checkpoint import checkpoint

from lossgauge.errors import ObservationError
from lossgauge.frameworks.torch.gauging.terms import TermEdge, split_terms
from lossgauge.frameworks.torch.treatments.treat import treat
from lossgauge.records.treatment import Treatment
from tests.frameworks.torch.treatments.small import STEPS, closed, copies, loop, same, scaled, seeded, treated

FOURFOLD = Treatment("loss", factor=4.0)


@pytest.mark.parametrize("optimizer_of", [lambda p: SGD(p, lr=0.05), lambda p: Adam(p, lr=1e-2, eps=1e-2)])
def test_a_multiplied_loss_is_a_factor_in_front_of_it(optimizer_of: Any):
    by_hand = loop(optimizer_of, lambda out, y: 3.7 * F.mse_loss(out, y))
    assert same(treated(lambda: loop(optimizer_of), Treatment("loss", factor=3.7)), by_hand)
    assert not same(loop(optimizer_of), by_hand)


def test_a_multiplied_loss_reaches_line_searches():
    def optimizer_of(parameters: Any):
        return LBFGS(parameters, lr=0.5, max_iter=4, line_search_fn="strong_wolfe")

    by_hand = closed(optimizer_of, 2.0**-10)
    assert same(treated(lambda: closed(optimizer_of), Treatment("loss", factor=2.0**-10)), by_hand)
    assert not same(closed(optimizer_of), by_hand)


def test_a_multiplied_loss_reaches_plateaus_with_their_absolute_threshold_as_it_is():
    def train(alpha: float = 1.0):
        model, x, y = seeded()
        optimizer = SGD(model.parameters(), lr=0.1 / alpha)
        schedule = ReduceLROnPlateau(optimizer, patience=0, threshold=0.02, threshold_mode="abs")
        for _ in range(STEPS):
            optimizer.zero_grad()
            loss = alpha * F.mse_loss(model(x), y)
            loss.backward()
            optimizer.step()
            schedule.step(loss.item())
        return copies(model.parameters())

    by_hand = train(4.0)
    assert same(treated(train, FOURFOLD, Treatment("setting", "lr", factor=0.25)), by_hand)
    assert not same(train(), by_hand)


def test_the_scale_of_a_scaler_is_not_cancelled():
    def optimizer_of(parameters: Any):
        return Adam(parameters, lr=1e-2, eps=1e-2)

    assert same(treated(lambda: scaled(optimizer_of), FOURFOLD), scaled(optimizer_of, multiplier=4.0))


WAYS = [
    ("plain", 1, lambda a, b, c, w: a + w * b + c),
    ("difference", 1, lambda a, b, c, w: a - w * b),
    ("outer constant", 1, lambda a, b, c, w: 0.5 * (a + w * b)),
    ("weight of its own", 1, lambda a, b, c, w: a + 0.1 * (w * b) - 3),
    ("stack", 2, lambda a, b, c, w: torch.stack([a, b, w * c]).sum()),
    ("builtin sum", 0, lambda a, b, c, w: sum([w * a, b, c])),
    ("last", 2, lambda a, b, c, w: a + b + w * c),
]


@pytest.mark.parametrize(("index", "loss_of"), [way[1:] for way in WAYS], ids=[way[0] for way in WAYS])
def test_a_treated_term_is_a_weight_in_the_code(index: int, loss_of: Any):
    def loss(weight: float):
        def parts(out: torch.Tensor, y: torch.Tensor):
            return loss_of(F.mse_loss(out, y), out.abs().mean(), (out - 1).pow(2).sum(), weight)

        return parts

    def train(weight: float = 1.0):
        return loop(lambda p: Adam(p, lr=1e-2, eps=1e-3), loss(weight))

    assert same(treated(train, Treatment("term", index=index, factor=0.25)), train(0.25))
    assert not same(train(), train(0.25))
    assert not same(treated(train, Treatment("term", index=1 - min(index, 1), factor=0.5)), train(0.25))


def test_a_term_that_is_a_weight_itself_or_is_also_used_inside_another_term():
    def train(weight: float = 1.0, inside: bool = True):
        torch.manual_seed(0)
        w = nn.Parameter(torch.tensor(0.75))
        optimizer = SGD([w], lr=0.0625)
        for _ in range(STEPS):
            optimizer.zero_grad()
            error = (w * 2 - 1) ** 2
            ((error.sin() if inside else error) + weight * w + error).backward()
            optimizer.step()
        return [w]

    for inside in (True, False):
        assert same(
            treated(lambda i=inside: train(inside=i), Treatment("term", index=1, factor=0.5)), train(0.5, inside)
        )


def test_one_of_several_terms_that_share_their_way():
    """Nodes above both: the factor is the one that their sum would have."""
    w, x = nn.Parameter(torch.ones(())), torch.tensor([1.0, 2.0])

    def gradient() -> list[torch.Tensor]:
        w.grad = None
        both = ((w * x - 3) ** 2).sum() + (w * x).square().mean()
        (both + 3 * both).backward()
        assert w.grad is not None
        return [w.grad]

    first, second = -8.0, 5.0  # the derivatives of the two
    assert float(gradient()[0]) == 4 * first + 4 * second
    assert float(treated(gradient, Treatment("term", index=0, factor=0.0))[0]) == 3 * first + 4 * second
    assert float(treated(gradient, Treatment("term", index=3, factor=2.0))[0]) == 4 * first + 7 * second


def test_terms_that_are_not_found_are_not_guessed():
    def split(node: Any, number: int) -> list[TermEdge]:
        found = split_terms(node, number)
        return [*found, found[0]]

    tensor = torch.ones(2, requires_grad=True)
    with (
        pytest.raises(ObservationError, match="cannot be told apart"),
        treat([Treatment("term", index=0, factor=0.5)], split_terms=split),
    ):
        (tensor.sum() + tensor.mean()).backward()


def test_the_only_term_is_the_loss():
    only = Treatment("term", index=0, factor=0.5)
    assert same(
        treated(lambda: loop(lambda p: SGD(p, lr=0.1)), only),
        loop(lambda p: SGD(p, lr=0.1), lambda out, y: 0.5 * F.mse_loss(out, y)),
    )


def test_a_term_that_is_not_there_changes_nothing():
    def train():
        return loop(lambda p: SGD(p, lr=0.1))

    assert same(treated(train, Treatment("term", index=3, factor=0.5)), train())


def test_a_term_under_a_scaler():
    def train(weight: float = 1.0):
        model, x, y = seeded()
        optimizer, scaler = SGD(model.parameters(), lr=0.1), torch.amp.GradScaler("cpu", init_scale=2.0**8)
        for _ in range(STEPS):
            optimizer.zero_grad()
            out = model(x)
            scaler.scale(F.mse_loss(out, y) + weight * out.abs().mean()).backward()
            scaler.step(optimizer)
            scaler.update()
        return copies(model.parameters())

    assert same(treated(train, Treatment("term", index=1, factor=0.25)), train(0.25))


def test_a_loss_through_reentrant_checkpoints():
    def train(weight: float = 1.0):
        model, x, y = seeded()
        x.requires_grad_()
        optimizer = SGD(model.parameters(), lr=0.1)
        for _ in range(STEPS):
            optimizer.zero_grad()
            out: Any = checkpoint(model, x, use_reentrant=True)
            (F.mse_loss(out, y) + weight * out.abs().mean()).backward()
            optimizer.step()
        return copies(model.parameters())

    assert same(treated(train, Treatment("term", index=1, factor=0.25)), train(0.25))


KNEES = [
    (lambda out, y, knee: F.huber_loss(out, y, delta=knee), "delta"),
    (lambda out, y, knee: nn.HuberLoss(delta=knee)(out, y), "delta"),
    (lambda out, y, knee: F.huber_loss(out, y, "mean", knee, torch.ones_like(out)), "delta"),  # pyright: ignore
    (lambda out, y, knee: F.smooth_l1_loss(out, y, beta=knee), "beta"),
    (lambda out, y, knee: nn.SmoothL1Loss(beta=knee, reduction="sum")(out, y) / 16, "beta"),
]


@pytest.mark.parametrize(("loss_of", "name"), KNEES)
def test_a_treated_knee_is_the_knee_of_the_call(loss_of: Any, name: str):
    def train(knee: float = 1.0):
        return loop(lambda p: SGD(p, lr=0.1), lambda out, y: loss_of(out, y, knee))

    assert same(treated(train, Treatment("knee", factor=0.125)), train(0.125))
    assert same(treated(train, Treatment("knee", name, value=0.25)), train(0.25))
    assert same(treated(train, Treatment("knee", {"beta": "delta", "delta": "beta"}[name], factor=0.125)), train())
    assert not same(train(), train(0.125))


def test_a_knee_that_is_not_given_is_one():
    def train(knee: float = 1.0):
        return loop(lambda p: SGD(p, lr=0.1), lambda out, y: torch._C._nn.huber_loss(out, y, 1, knee))  # pyright: ignore

    def default():
        return loop(lambda p: SGD(p, lr=0.1), lambda out, y: torch._C._nn.huber_loss(out, y, 1))  # pyright: ignore

    assert same(treated(default, Treatment("knee", factor=0.125)), train(0.125))

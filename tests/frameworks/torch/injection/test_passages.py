"""The places a training passes: who is the outermost, what may be changed there, and what passes by."""

from typing import Any

import torch
from torch.nn.utils import clip_grad_norm_, clip_grad_value_
from torch.optim import SGD

from lossgauge.frameworks.torch.injection.passages import (
    Clipping,
    Proceed,
    Start,
    Stepping,
    clips_through,
    starts_through,
)
from lossgauge.frameworks.torch.injection.step_passage import steps_through


def leaf() -> torch.Tensor:
    return torch.ones(2, requires_grad=True)


def test_the_last_to_come_is_the_outermost():
    seen: list[str] = []

    def noting(name: str) -> Any:
        def note(passing: Any, proceed: Proceed) -> Any:
            seen.append(name)
            outcome = proceed()
            seen.append(name.upper())
            return outcome

        return note

    tensor = leaf()
    optimizer = SGD([tensor], lr=0.1)
    for through, act in (
        (starts_through, lambda: tensor.sum().backward()),
        (clips_through, lambda: clip_grad_value_([tensor], 1.0)),
        (steps_through, optimizer.step),
    ):
        seen.clear()
        with through(noting("a")), through(noting("b")):
            act()
        assert seen == ["b", "a", "A", "B"]
        act()
        assert len(seen) == 4


def test_a_gradient_that_is_put_in_is_used_and_autograd_grad_passes_by():
    starts: list[Start] = []

    def double(start: Start, proceed: Proceed) -> Any:
        starts.append(start)
        start.gradients = tuple(2 * gradient for gradient in start.gradients)
        return proceed()

    tensor = leaf()
    with starts_through(double):
        assert torch.equal(torch.autograd.grad(tensor.sum(), tensor)[0], torch.ones(2))
        tensor.sum().backward()
    assert tensor.grad is not None
    assert torch.equal(tensor.grad, torch.full((2,), 2.0))
    assert [start.nested for start in starts] == [False]


def test_a_threshold_that_is_put_in_is_used_and_a_generator_is_read_twice():
    names: list[str] = []

    def lower(clipping: Clipping, proceed: Proceed) -> Any:
        names.append(clipping.name)
        assert len(clipping.parameters) == 1
        clipping.threshold /= 4
        return proceed()

    tensor = leaf()
    tensor.grad = torch.tensor([3.0, 4.0])
    with clips_through(lower):
        clip_grad_value_((t for t in [tensor]), 12.0)
        assert tensor.grad.tolist() == [3.0, 3.0]
        clip_grad_norm_(tensor, max_norm=1.0)
    assert abs(float(tensor.grad.norm()) - 0.25) < 1e-6
    assert names == ["clip_value", "max_norm"]


def test_steps_are_numbered_by_the_first_of_each_optimizer_and_may_be_left_out():
    seen: list[tuple[int, bool, bool]] = []

    def leave_out(stepping: Stepping, proceed: Proceed) -> Any:
        seen.append((stepping.index, stepping.first, stepping.closes))
        return None if stepping.index else proceed()

    first, second = leaf(), leaf()
    optimizers = SGD([first], lr=0.5), SGD([second], lr=0.5)
    first.grad, second.grad = torch.ones(2), torch.ones(2)
    with steps_through(leave_out):
        for optimizer in (*optimizers, *optimizers):
            optimizer.step()
        optimizers[1].step(lambda: 1.0)
    assert seen == [(0, True, False), (1, True, False), (0, False, False), (1, False, False), (1, False, True)]
    assert (first.tolist(), second.tolist()) == ([0.0, 0.0], [1.0, 1.0])


def test_closures_pass_however_they_are_given():
    losses: list[float] = []

    def multiply(evaluate: Proceed) -> float:
        losses.append(evaluate())
        return 2 * losses[-1]

    def pass_step(stepping: Stepping, proceed: Proceed) -> Any:
        stepping.closures_through(multiply)
        return proceed()

    optimizer = SGD([leaf()], lr=0.5)
    with steps_through(pass_step):
        assert optimizer.step(lambda: 3.0) == 6.0
        assert optimizer.step(closure=lambda: 4.0) == 8.0
    assert losses == [3.0, 4.0]

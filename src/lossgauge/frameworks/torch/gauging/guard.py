"""How a gauge takes what happens in a training: without disturbing it, and at rest for next to nothing."""

import os
from collections.abc import Callable
from functools import wraps
from typing import Any

from lossgauge.frameworks.torch.gauging.unseen import unseen
from lossgauge.frameworks.torch.injection.bits import OptimizerView
from lossgauge.records.session import Event


def guarded(at_rest: Callable[..., None] | None = None) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """An event that cannot disturb the training: it is taken one at a time, in one process, and may fail quietly.

    Args:
        at_rest: What is done instead while nothing is to be noted; None where that makes no difference.

    Returns:
        The decorator.
    """

    def decorate(event: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(event)
        def take(self: Any, *args: Any, **kwargs: Any) -> None:
            if self.blind or os.getpid() != self.process:
                self.decline(event.__name__)
                return
            since = self.schedule.account()
            with self.lock:
                self.catch_up()
                resting = at_rest if self.resting else None
                try:
                    if resting:
                        resting(self, *args, **kwargs)
                    else:
                        with unseen():
                            event(self, *args, **kwargs)
                except Exception as error:
                    _give_up(self, error)
                finally:
                    self.blind = self.blind or bool(self.journal.lost)
                    # Told of every step at rest, as under an injection, rows could not pay for all of them.
                    if self.noting or self.schedule.passed:
                        self.schedule.note(since, self.noting and event.__name__ == "step")

        return take

    return decorate


def _give_up(gauge: Any, error: Exception) -> None:
    gauge.blind = True
    what = f"observing ended at step {gauge.ledger.number + 1}: {type(error).__name__}: {error}"
    gauge.journal.add(Event("limit", gauge.ledger.number + 1, what.splitlines()[0]))


def rest_again(gauge: Any) -> int:
    """Whether to go on resting, asked before a step that the gauge is not told of: that would cost ten times as much.

    Args:
        gauge: The gauge.

    Returns:
        How many steps may pass from here on; 0 where it wants to be told.
    """
    if gauge.blind or os.getpid() != gauge.process:
        return 0
    since, spare = gauge.schedule.account(), 0
    try:
        with gauge.lock:
            gauge.catch_up()
            spare = gauge.spare(gauge.ledger.number)
            gauge.schedule.note(since, complete=False)
    except Exception as error:
        _give_up(gauge, error)
    return spare


def nothing(gauge: Any, *args: Any, **kwargs: Any) -> None:
    """What is done at rest with most events.

    Args:
        gauge: The gauge.
        args: What the event is told.
        kwargs: The same, by name.
    """


def count_backward(gauge: Any, *args: Any, **kwargs: Any) -> None:
    """What is done at rest when a backward starts.

    Args:
        gauge: The gauge.
        args: What the event is told.
        kwargs: The same, by name.
    """
    gauge.ledger.backwards += 1
    gauge.stepped.clear()


def begin_step(gauge: Any, index: int, optimizer: OptimizerView, closure: bool) -> None:
    """What is done at rest when a step is about to be made.

    Args:
        gauge: The gauge.
        index: The optimizer's number.
        optimizer: A view of it.
        closure: Whether the step computes its gradients itself.
    """
    if closure or index in gauge.stepped:
        gauge.stepped.clear()


def count_step(gauge: Any, index: int, optimizer: OptimizerView) -> None:
    """What is done at rest when a step has been made.

    Args:
        gauge: The gauge.
        index: The optimizer's number.
        optimizer: A view of it.
    """
    participant = gauge.participants.get(index)
    if participant is not None:
        participant.own += 1
        gauge.stepped.add(index)
        gauge.move_on(participant, gauge.ledger.pass_step())

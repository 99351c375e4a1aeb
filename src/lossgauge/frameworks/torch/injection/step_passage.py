"""The place every step of every optimizer passes: torch's own wrapper around `step`, which its hooks are called from.

While whoever watches rests, torch is as it was but for one hook, which counts.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial, wraps
from typing import Any

import torch
from torch.optim.optimizer import register_optimizer_step_pre_hook

from lossgauge.errors import ObservationError
from lossgauge.frameworks.observer import Rest
from lossgauge.frameworks.torch.injection.passages import Proceed, Stepping
from lossgauge.frameworks.torch.injection.patches import enclosed
from lossgauge.frameworks.torch.injection.places import return_to_places, stand_aside, standing


def steps_through(
    pass_step: Callable[[Stepping, Proceed], Any], rest: Rest | None = None
) -> AbstractContextManager[None]:
    """Let every step of every optimizer pass through a function, also of those built or written later.

    Hooks the user registered stay outside.

    Args:
        pass_step: The function.
        rest: When it need not be called.

    Returns:
        The context in which they do.
    """
    return _Steps(pass_step, rest or Rest()).passed()


class _Steps:
    def __init__(self, pass_step: Callable[[Stepping, Proceed], Any], rest: Rest) -> None:
        self.pass_step = pass_step
        self.rest = rest
        self._indices: dict[int, int] = {}
        self._optimizers: list[torch.optim.Optimizer] = []  # kept alive, so that no identity is used twice
        self._at_work: set[int] = set()
        self._stack = ExitStack()
        self._intercepted: set[int] = set()
        self._looked_at: dict[type, Any] = {}

    @contextmanager
    def passed(self) -> Iterator[None]:
        with self._stack:
            handle = register_optimizer_step_pre_hook(self._hook())
            self._stack.callback(handle.remove)
            yield

    def _hook(self) -> Callable[..., None]:
        """What torch calls before each step: as little as possible at rest, for all of it is out of the caches then."""
        rest, indices, compiling = self.rest, self._indices, torch.compiler.is_dynamo_compiling

        def before_step(optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
            if compiling():
                return
            if rest.aside:
                index = indices.get(id(optimizer))
                if index is not None and (rest.steps > 0 or self._again()):
                    rest.steps -= 1
                    rest.made.append(index)
                    return
                return_to_places(rest)
            self._intercept(type(optimizer))

        return before_step

    def _intercept(self, kind: type) -> None:
        """Replace what torch's own wrapper around `step` is about to call."""
        decorated = kind.step
        if self._looked_at.get(kind) is not decorated:
            self._stand_in(decorated, kind)

    def _stand_in(self, decorated: Any, kind: type) -> None:
        cell = enclosed(decorated)
        if cell is None:
            raise ObservationError(
                f"{kind.__name__}.step is decorated in a way that hides the step itself; expected a decorator that "
                "uses functools.wraps"
            )
        if id(cell) not in self._intercepted:
            self._intercepted.add(id(cell))
            self._stack.enter_context(standing(cell, "cell_contents", self._step_passed, self.rest))
        self._looked_at[kind] = decorated

    def _step_passed(self, step: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(step)
        def step_passed(optimizer: torch.optim.Optimizer, *args: Any, **kwargs: Any) -> Any:
            if torch.compiler.is_dynamo_compiling():
                return step(optimizer, *args, **kwargs)
            if id(optimizer) in self._at_work:  # a subclass calls the step of its parent: it would be counted twice
                self.rest.allowed = False
                return step(optimizer, *args, **kwargs)
            self._at_work.add(id(optimizer))
            try:
                stepping = self._stepping(optimizer, args, kwargs)
                return self.pass_step(stepping, partial(_proceed, step, stepping))
            finally:
                self._at_work.discard(id(optimizer))
                if self.rest.asked:
                    self._leave()

        return step_passed

    def _leave(self) -> None:
        asked, self.rest.asked = self.rest.asked, 0
        if self.rest.allowed and stand_aside(self.rest):
            self.rest.steps = asked

    def _again(self) -> bool:
        self.rest.steps = self.rest.again()
        return self.rest.steps > 0

    def _stepping(self, optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> Stepping:
        index = self._indices.get(id(optimizer))
        if index is not None:
            return Stepping(optimizer, index, False, args, kwargs)
        index = self._indices[id(optimizer)] = len(self._optimizers)
        self._optimizers.append(optimizer)
        return Stepping(optimizer, index, True, args, kwargs)


def _proceed(step: Callable[..., Any], stepping: Stepping) -> Any:
    return step(stepping.optimizer, *stepping.args, **stepping.kwargs)

"""The places every training passes: the start of a backward, the step of an optimizer, the clip functions.

Whoever wants to see or change what happens there hands over a function that is called in its place, with what is
passing and with `proceed`, which lets it pass. Of several functions at one place the last to come is the outermost.

While whoever watches rests, it is not called: what passes is counted.

Code that torch's compiler is tracing passes as if nothing were in place: what is done here belongs into no compiled
program. A step that is compiled as a whole is therefore not seen.
"""

import inspect
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial, wraps
from typing import Any

import torch
from torch.nn.utils import clip_grad
from torch.optim.optimizer import register_optimizer_step_pre_hook

from lossgauge.errors import ObservationError
from lossgauge.frameworks.observer import Rest
from lossgauge.frameworks.torch.injection.patches import enclosed, replaced, replaced_inside

# The public function calls the private one where that exists, and both are used by hand: the innermost is replaced.
CLIPS = (("_clip_grads_with_norm_", "max_norm"), ("clip_grad_norm_", "max_norm"), ("clip_grad_value_", "clip_value"))

Proceed = Callable[[], Any]
"""Lets what is passing go on, as it is by then, and returns what comes back."""


@dataclass
class Start:
    """A backward that is about to start.

    Args:
        roots: The tensors it starts from.
        gradients: The gradients handed to them; None stands for 1. What is put here is what they get.
        nested: Whether it starts inside another one (reentrant checkpointing): its gradients carry what was done to
            those of the outer one.
    """

    roots: tuple[Any, ...]
    gradients: tuple[Any, ...]
    nested: bool


@dataclass
class Stepping:
    """A step that an optimizer is about to make.

    Args:
        optimizer: The live optimizer.
        index: Its number in the order of first steps, from 0.
        first: Whether this is its first step.
        args: The arguments of the step.
        kwargs: Those given by name.
    """

    optimizer: torch.optim.Optimizer
    index: int
    first: bool
    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    @property
    def closes(self) -> bool:
        """Whether the step computes its gradients itself, by calling a closure."""
        return bool(self.args or self.kwargs) and any(map(_closure, (*self.args, *self.kwargs.values())))

    def closures_through(self, pass_closure: Callable[[Proceed], Any]) -> None:
        """Let every evaluation of the user's closure pass through a function.

        Args:
            pass_closure: The function; `proceed` evaluates the closure and returns the loss.
        """

        def passed(own: Any) -> Any:
            return _closure_passed(own, pass_closure) if _closure(own) else own

        self.args = tuple(map(passed, self.args))
        self.kwargs = {name: passed(own) for name, own in self.kwargs.items()}


@dataclass
class Clipping:
    """A call of a clip function.

    Args:
        name: `max_norm` or `clip_value`.
        bound: The arguments of the call.
    """

    name: str
    bound: inspect.BoundArguments

    @property
    def threshold(self) -> float:
        """The threshold in use, in L/W; what is put here is used."""
        return float(self.bound.arguments[self.name])

    @threshold.setter
    def threshold(self, value: float) -> None:
        """Put another threshold in the user's place."""
        self.bound.arguments[self.name] = value

    @property
    def parameters(self) -> list[Any]:
        """The tensors that are clipped; a generator is made a list, so that it can be read twice."""
        given = self.bound.arguments["parameters"]
        if isinstance(given, torch.Tensor):
            return [given]
        parameters = self.bound.arguments["parameters"] = list(given)
        return parameters


@contextmanager
def starts_through(pass_start: Callable[[Start, Proceed], Any], rest: Rest | None = None) -> Iterator[None]:
    """Let every backward start through a function.

    `Tensor.backward` and `torch.autograd.backward` both hand the gradient of the loss with respect to itself to one
    function; `autograd.grad` passes there too but does not accumulate, and is left alone: it belongs to the loss.

    Args:
        pass_start: The function.
        rest: When it need not be called.

    Yields:
        Nothing.
    """
    start: Callable[..., Any] = vars(torch.autograd)["_engine_run_backward"]
    resting = rest or Rest()

    def start_passed(outputs: Any, gradients: Any, *args: Any, **kwargs: Any) -> Any:
        if not kwargs.get("accumulate_grad") or torch.compiler.is_dynamo_compiling():
            return start(outputs, gradients, *args, **kwargs)
        # The engine knows whether it is at work in this thread, also in the threads of its own it uses for devices.
        nested = torch._C._current_graph_task_id() != -1
        if resting.steps > 0:
            if not nested:
                resting.pass_backward()
            return start(outputs, gradients, *args, **kwargs)
        passing = Start(_sequence(outputs), _sequence(gradients), nested)
        return pass_start(passing, lambda: start(outputs, passing.gradients, *args, **kwargs))

    with replaced(torch.autograd, "_engine_run_backward", start_passed):
        yield


@contextmanager
def clips_through(pass_clip: Callable[[Clipping, Proceed], Any], rest: Rest | None = None) -> Iterator[None]:
    """Let every call of a clip function of torch pass through a function, however and whenever it was imported.

    Args:
        pass_clip: The function.
        rest: When it need not be called.

    Yields:
        Nothing.
    """
    with ExitStack() as stack:
        done: set[str] = set()
        for place, name in CLIPS:
            cell = enclosed(vars(clip_grad).get(place))
            if name in done or cell is None:
                continue
            done.add(name)
            stack.enter_context(
                replaced_inside(cell, _clip_passed(cell.cell_contents, name, pass_clip, rest or Rest()))
            )
        yield


def _clip_passed(clip: Callable[..., Any], name: str, pass_clip: Callable[[Clipping, Proceed], Any], rest: Rest) -> Any:
    signature = inspect.signature(clip)

    @wraps(clip)
    def clip_passed(*args: Any, **kwargs: Any) -> Any:
        if rest.steps > 0 or torch.compiler.is_dynamo_compiling():
            return clip(*args, **kwargs)
        bound = signature.bind(*args, **kwargs)
        return pass_clip(Clipping(name, bound), lambda: clip(*bound.args, **bound.kwargs))

    return clip_passed


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
        self._optimizers: dict[int, tuple[int, torch.optim.Optimizer]] = {}  # alive, so no identity is used twice
        self._at_work: set[int] = set()
        self._stack = ExitStack()
        self._intercepted: set[int] = set()
        self._looked_at: dict[type, Any] = {}

    @contextmanager
    def passed(self) -> Iterator[None]:
        with self._stack:
            handle = register_optimizer_step_pre_hook(self._intercept)
            self._stack.callback(handle.remove)
            yield

    def _intercept(self, optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
        """Replace what torch's own wrapper around `step` is about to call."""
        decorated = type(optimizer).step
        if self._looked_at.get(type(optimizer)) is decorated or torch.compiler.is_dynamo_compiling():
            return
        cell = enclosed(decorated)
        if cell is None:
            raise ObservationError(
                f"{type(optimizer).__name__}.step is decorated in a way that hides the step itself; expected a "
                "decorator that uses functools.wraps"
            )
        if id(cell) not in self._intercepted:
            self._intercepted.add(id(cell))
            self._stack.enter_context(replaced_inside(cell, self._step_passed(cell.cell_contents)))
        self._looked_at[type(optimizer)] = decorated

    def _step_passed(self, step: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(step)
        def step_passed(optimizer: torch.optim.Optimizer, *args: Any, **kwargs: Any) -> Any:
            # A subclass may call the step of its parent.
            if torch.compiler.is_dynamo_compiling() or id(optimizer) in self._at_work:
                return step(optimizer, *args, **kwargs)
            self._at_work.add(id(optimizer))
            try:
                if self.rest.steps > 0 and id(optimizer) in self._optimizers:
                    self.rest.pass_step(self._optimizers[id(optimizer)][0])
                    return step(optimizer, *args, **kwargs)
                stepping = self._stepping(optimizer, args, kwargs)
                return self.pass_step(stepping, partial(_proceed, step, stepping))
            finally:
                self._at_work.discard(id(optimizer))

        return step_passed

    def _stepping(self, optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> Stepping:
        known = self._optimizers.get(id(optimizer))
        if known is not None:
            return Stepping(optimizer, known[0], False, args, kwargs)
        index = len(self._optimizers)
        self._optimizers[id(optimizer)] = index, optimizer
        return Stepping(optimizer, index, True, args, kwargs)


def _proceed(step: Callable[..., Any], stepping: Stepping) -> Any:
    return step(stepping.optimizer, *stepping.args, **stepping.kwargs)


def _closure_passed(own: Callable[..., Any], pass_closure: Callable[[Proceed], Any]) -> Callable[..., Any]:
    @wraps(own)
    def closure(*args: Any, **kwargs: Any) -> Any:
        return pass_closure(partial(own, *args, **kwargs))

    return closure


def _closure(argument: Any) -> bool:
    return callable(argument) and not isinstance(argument, torch.nn.Module)


def _sequence(tensors: Any) -> tuple[Any, ...]:
    return tuple(tensors) if isinstance(tensors, (tuple, list)) else (tensors,)

"""The places every training passes: the start of a backward, the step of an optimizer, the clip functions.

Whoever wants to see or change what happens there hands over a function that is called in its place, with what is
passing and with `proceed`, which lets it pass. Of several functions at one place the last to come is the outermost.

While whoever watches rests, torch is as it was but for one hook, which counts steps.

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

from lossgauge.frameworks.observer import Rest
from lossgauge.frameworks.torch.injection.patches import enclosed
from lossgauge.frameworks.torch.injection.places import standing

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


def starts_through(
    pass_start: Callable[[Start, Proceed], Any], rest: Rest | None = None
) -> AbstractContextManager[None]:
    """Let every backward start through a function.

    `Tensor.backward` and `torch.autograd.backward` both hand the gradient of the loss with respect to itself to one
    function; `autograd.grad` passes there too but does not accumulate, and is left alone: it belongs to the loss.

    Args:
        pass_start: The function.
        rest: When it need not be called.

    Returns:
        The context in which they do.
    """
    make = partial(_start_passed, pass_start=pass_start)
    return standing(torch.autograd, "_engine_run_backward", make, rest or Rest())


def _start_passed(start: Callable[..., Any], pass_start: Callable[[Start, Proceed], Any]) -> Callable[..., Any]:
    def start_passed(outputs: Any, gradients: Any, *args: Any, **kwargs: Any) -> Any:
        if not kwargs.get("accumulate_grad") or torch.compiler.is_dynamo_compiling():
            return start(outputs, gradients, *args, **kwargs)
        # The engine knows whether it is at work in this thread, also in the threads of its own it uses for devices.
        nested = torch._C._current_graph_task_id() != -1
        passing = Start(_sequence(outputs), _sequence(gradients), nested)
        return pass_start(passing, lambda: start(outputs, passing.gradients, *args, **kwargs))

    return start_passed


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
            make = partial(_clip_passed, name=name, pass_clip=pass_clip)
            stack.enter_context(standing(cell, "cell_contents", make, rest or Rest()))
        yield


def _clip_passed(
    clip: Callable[..., Any], name: str, pass_clip: Callable[[Clipping, Proceed], Any]
) -> Callable[..., Any]:
    signature = inspect.signature(clip)

    @wraps(clip)
    def clip_passed(*args: Any, **kwargs: Any) -> Any:
        if torch.compiler.is_dynamo_compiling():
            return clip(*args, **kwargs)
        bound = signature.bind(*args, **kwargs)
        return pass_clip(Clipping(name, bound), lambda: clip(*bound.args, **bound.kwargs))

    return clip_passed


def _closure_passed(own: Callable[..., Any], pass_closure: Callable[[Proceed], Any]) -> Callable[..., Any]:
    @wraps(own)
    def closure(*args: Any, **kwargs: Any) -> Any:
        return pass_closure(partial(own, *args, **kwargs))

    return closure


def _closure(argument: Any) -> bool:
    return callable(argument) and not isinstance(argument, torch.nn.Module)


def _sequence(tensors: Any) -> tuple[Any, ...]:
    return tuple(tensors) if isinstance(tensors, (tuple, list)) else (tensors,)

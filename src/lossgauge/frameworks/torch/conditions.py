"""The global conditions of a small run: threads, number format, noise, and no compiler."""

import contextlib
import inspect
import sys
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch

from lossgauge.frameworks.subject import Problem

_SHIELDED = ("add_param_group", "zero_grad", "state_dict", "load_state_dict")


@contextlib.contextmanager
def same_conditions(problem: Problem) -> Iterator[None]:
    """The same noise in every run, and no float32 scalars inside a float64 run (ASGD keeps its rate as a tensor).

    One thread: on tensors of a dozen numbers a second one only costs (bfloat16 products ten times as much).

    Args:
        problem: The run.

    Yields:
        Nothing; torch's global settings are put back on leaving.
    """
    before, threads = torch.get_default_dtype(), torch.get_num_threads()
    torch.set_num_threads(1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(problem.seed)
        torch.set_default_dtype(getattr(torch, problem.precision))
        try:
            yield
        finally:
            torch.set_default_dtype(before)
            torch.set_num_threads(threads)


@contextlib.contextmanager
def eager() -> Iterator[None]:
    """Run code decorated with torch.compile as plain Python, so that its units can be followed."""
    stance = getattr(torch.compiler, "set_stance", None)
    if stance is None or "torch._dynamo" not in sys.modules:  # nothing was compiled, and loading it takes seconds
        yield
        return
    with stance("force_eager"):
        yield


@contextlib.contextmanager
def compiler_unloaded() -> Iterator[None]:
    """Build optimizers without loading torch's compiler, which takes two seconds and is not used here.

    Methods such as `add_param_group` load it on first use, to shield themselves from it.
    """
    wrapped = [getattr(getattr(torch.optim.Optimizer, n, None), "__wrapped__", None) for n in _SHIELDED]
    fresh = [m for m in wrapped if m is not None and not hasattr(m, "__dynamo_disable")]
    if "torch._dynamo" in sys.modules:
        fresh = []
    for method in fresh:
        setattr(method, "__dynamo_disable", method)
    try:
        yield
    finally:
        for method in fresh:
            delattr(method, "__dynamo_disable")


def own_step(optimizer: Any) -> Callable[..., Any]:
    """The step of an optimizer, without the wrappers around torch's own steps that load its compiler.

    Args:
        optimizer: The optimizer.

    Returns:
        What to call with a closure or nothing; for other people's classes it is `optimizer.step` itself.
    """
    differentiable = getattr(optimizer, "defaults", {}).get("differentiable")
    if differentiable or not type(optimizer).__module__.startswith("torch.optim."):
        return optimizer.step
    return partial(torch.no_grad()(inspect.unwrap(type(optimizer).step)), optimizer)

"""Recording what an optimizer does with a group of settings, step by step."""

import inspect
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from lossgauge.frameworks.torch.catalogue import load
from lossgauge.frameworks.torch.conditions import compiler_unloaded, eager, own_step
from lossgauge.frameworks.torch.stacking.program import Recording, Unstackable
from lossgauge.frameworks.torch.stacking.recorder import Recorder
from lossgauge.frameworks.torch.stacking.replicated import Replicated, replicated_math
from lossgauge.frameworks.torch.stacking.serial import needs_closure
from lossgauge.records.sweep import Setting


def record(settings: Sequence[Setting], size: int, steps: int, dtype: torch.dtype) -> Recording:
    """Run the optimizer's own code once for all settings, on weights without contents.

    Args:
        settings: They differ in the values of floating-point hyperparameters only.
        size: How many weights there are.
        steps: How many steps.
        dtype: The number format of the weights.

    Returns:
        What it does in each step.

    Raises:
        Unstackable: When the code needs the loss or the values of the weights, or does not act on every element alone.
    """
    recorder = Recorder(size, dtype)
    factory = load(settings[0].optimizer)
    arguments = {name: _joined([s.hyperparameters[name] for s in settings]) for name in settings[0].hyperparameters}
    arguments |= _defaults(factory, arguments, len(settings))
    recording = Recording()
    before = torch.get_default_dtype()
    with warnings.catch_warnings(), compiler_unloaded(), eager(), replicated_math(), torch.no_grad():
        warnings.simplefilter("ignore")
        try:
            torch.set_default_dtype(before)
            with recorder:
                optimizer = factory([recorder.weights], **arguments)
                if callable(getattr(optimizer, "train", None)):
                    optimizer.train()
                if needs_closure(optimizer):
                    raise Unstackable("step needs a closure")
                make_step = own_step(optimizer)
                for _ in range(steps):
                    with torch._C.DisableTorchFunction():
                        recorder.begin()
                    make_step()
                    with torch._C.DisableTorchFunction():
                        _add_step(recording, *recorder.end(), len(settings))
        finally:
            torch.set_default_dtype(before)
    return recording


def _joined(values: Sequence[Any]) -> Any:
    """One argument for all: floating-point numbers become replicated ones, everything else is the same for all."""
    first = values[0]
    if isinstance(first, tuple):
        return tuple(_joined([value[place] for value in values]) for place in range(len(first)))
    return Replicated.joined(values) if isinstance(first, float) else first


def _defaults(factory: Any, given: dict[str, Any], count: int) -> dict[str, Any]:
    """Floating-point defaults are scalars of a program as well, so that it does not depend on what was left out."""
    found: dict[str, Any] = {}
    for name, parameter in list(inspect.signature(factory).parameters.items())[1:]:
        value = parameter.default
        if name not in given and (
            isinstance(value, float) or (isinstance(value, tuple) and any(isinstance(x, float) for x in value))
        ):
            found[name] = _joined([value] * count)
    return found


def _add_step(recording: Recording, program: Any, scalars: list[Any], count: int) -> None:
    if program not in recording.programs:
        recording.programs.append(program)
    recording.steps.append(recording.programs.index(program))
    rows = np.empty((len(scalars), count))
    for place, value in enumerate(scalars):
        rows[place] = value
    last = recording.scalars[-1] if recording.scalars else None
    same = last is not None and last.shape == rows.shape and last.tobytes() == rows.tobytes()
    recording.scalars.append(last if same and last is not None else rows)

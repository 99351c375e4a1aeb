"""Compiled steps of an optimizer are those torch makes of the same recording."""

import ctypes
from dataclasses import replace

import numpy as np
import pytest
import torch

from lossgauge.frameworks.torch.stacking.native import compiler
from lossgauge.frameworks.torch.stacking.native.prelude import prelude
from lossgauge.frameworks.torch.stacking.native.updates import update_differs, update_source
from lossgauge.frameworks.torch.stacking.operations import TABLE, TRUTHS
from lossgauge.frameworks.torch.stacking.program import Operation, Program, Recording
from lossgauge.frameworks.torch.stacking.recording import record
from lossgauge.records.sweep import Setting
from tests.frameworks.torch.stacking.test_recording import CASES

pytestmark = pytest.mark.skipif(compiler.compiler() is None, reason="no C compiler")
STEPS, SIZE = 12, 37


def compiled(recording: Recording, precision: str) -> ctypes.CDLL:
    return compiler.library(prelude(compiler.processor(), precision) + update_source(recording.programs))


@pytest.mark.parametrize("case", CASES)
def test_every_optimizer_makes_the_same_steps(case):
    name, *chosen = CASES[case]
    precision = "float64" if case in ("nadam", "rprop") else "float32"
    dtype = getattr(torch, precision)
    recording = record([Setting(f"torch.optim:{name}", h) for h in chosen], SIZE, STEPS, dtype)
    assert not update_differs(compiled(recording, precision), recording, dtype)


@pytest.mark.parametrize("target", ["IntegerDefaults", "ScheduledEpsilon"])
def test_slots_that_appear_in_later_steps(target):
    recording = record([Setting(f"tests.zoo.styles:{target}")], SIZE, STEPS, torch.float64)
    assert not update_differs(compiled(recording, "float64"), recording, torch.float64)


def test_a_wrong_operation_is_noticed():
    recording = record([Setting("torch.optim:Adam", {"lr": 0.1})], SIZE, STEPS, torch.float64)
    program = recording.programs[1]
    other = {"add": "sub", "mul": "div", "sqrt": "abs", "lerp": "addmul", "adddiv": "addmul"}
    places = {program.operations[place].name: place for place in program.needed()}
    for name, wrong in other.items():
        place = places[name]
        changed = Operation(wrong, program.operations[place].operands)
        operations = (*program.operations[:place], changed, *program.operations[place + 1 :])
        bad = replace(recording, programs=[recording.programs[0], replace(program, operations=operations)])
        assert update_differs(compiled(bad, "float64"), recording, torch.float64), name


def test_every_operation_has_its_c():
    """Each operation of the table gets a slot of its own to end up in, and each slot is compared."""
    value, other, one = ("value", 0), ("value", 1), ("scalar", 0)
    size = ("value", 2)
    operations = [
        Operation("abs", (value,)), Operation("gt", (value, other)), Operation("where", (("value", 3), value, one)),
        *(Operation(n, (size,)) for n in ("sqrt", "exp", "log", "tanh", "sigmoid", "sign", "neg", "log1p", "round")),
        *(Operation(n, (value, other)) for n in ("add", "sub", "mul", "div", "max", "min")),
        *(Operation(n, (value, other, one)) for n in ("lerp", "addmul", "adddiv")), Operation("pow", (size, one)),
    ]  # fmt: skip
    assert {operation.name for operation in operations} >= set(TABLE) - TRUTHS
    results = [place for place, operation in enumerate(operations) if operation.name != "gt"]
    programs = [Program(2, 2, tuple(operations[: place + 1]), (2 + place, 1)) for place in results]
    for number, place in enumerate(results):
        steps = Recording(programs, [number], [np.array([[0.3, 0.3]])])
        assert not update_differs(compiled(steps, "float64"), steps, torch.float64), operations[place].name

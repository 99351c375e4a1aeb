"""A recorded optimizer as C: one loop over all weights for each program, everything else in registers."""

import ctypes
from collections.abc import Callable

import torch
from torch import Tensor

from lossgauge.frameworks.torch.stacking.native.expressions import TEMPLATES, literal
from lossgauge.frameworks.torch.stacking.operations import TRUTHS
from lossgauge.frameworks.torch.stacking.program import GRADIENT, Operand, Program, Recording
from lossgauge.frameworks.torch.stacking.updates import StackedUpdate

GAP = "\n"
TRIED_STEPS, TRIED_WIDTH = 40, 64
AGREEMENT = {torch.float32: 1e-4, torch.float64: 1e-12}
"""The largest difference after some steps, relative to the largest weight, that rounding may make."""


def update_source(programs: list[Program]) -> str:
    """The functions of all programs, and one that chooses among them.

    Args:
        programs: What steps do.

    Returns:
        C text; `update(number, slots, width, scalars, replicas, replica)` makes a step with program `number`.
    """
    functions = [_function(number, program) for number, program in enumerate(programs)]
    cases = GAP.join(
        f"case {number}: update_{number}(slots, width, scalars, replicas, replica); break;"
        for number in range(len(programs))
    )
    return f"""{GAP.join(functions)}
void update(long number, real *slots, long width, const double *scalars, long replicas, long replica) {{
switch (number) {{
{cases}
}}
}}
"""


def update_differs(code: ctypes.CDLL, recording: Recording, dtype: torch.dtype) -> bool:
    """Hold the compiled steps of the first replica against the same steps made by torch.

    Args:
        code: The compiled source of the recording's programs.
        recording: What the optimizer does.
        dtype: The number format of the weights.

    Returns:
        True where they differ by more than rounding.
    """
    generator = torch.Generator().manual_seed(11)
    start = torch.randn(TRIED_WIDTH, generator=generator, dtype=dtype)
    stacked = StackedUpdate(recording, [0, 0], start.repeat(2, 1))
    slots = torch.zeros(recording.slots, TRIED_WIDTH, dtype=dtype)
    slots[0] = start
    for step in range(min(len(recording.steps), TRIED_STEPS)):
        gradient = torch.randn(TRIED_WIDTH, generator=generator, dtype=dtype)
        stacked.gradient.copy_(gradient)
        slots[GRADIENT] = gradient
        stacked.step(step)
        scalars = recording.scalars[step]
        numbers = (recording.steps[step], slots.data_ptr(), TRIED_WIDTH, scalars.ctypes.data, scalars.shape[1], 0)
        long, pointer = ctypes.c_long, ctypes.c_void_p
        kinds: tuple[Callable[[int], object], ...] = (long, pointer, long, pointer, long, long)
        code.update(*(kind(number) for kind, number in zip(kinds, numbers, strict=True)))
    return not _alike(slots[0], stacked.slots[0][0], AGREEMENT[dtype])


def _alike(found: Tensor, expected: Tensor, limit: float) -> bool:
    finite = expected[expected.isfinite()]
    scale = float(finite.abs().max()) if finite.numel() else 1.0
    return torch.allclose(found, expected, rtol=limit, atol=limit * scale, equal_nan=True)


def _function(number: int, program: Program) -> str:
    needed = program.needed()
    read = {int(x) for place in needed for kind, x in program.operations[place].operands if kind == "value"}
    changed = program.changes
    read |= {value for _, value in changed}
    scalars = sorted({int(x) for p in needed for kind, x in program.operations[p].operands if kind == "scalar"})
    used = sorted({slot for slot, _ in changed} | {v for v in read if v < program.inputs})
    lines = [
        f"static void update_{number}(real *slots, long width, const double *scalars, long replicas, long replica) {{",
        *(f"const real c{k} = (real)scalars[{k} * replicas + replica];" for k in scalars),
        *(f"real *restrict s{slot} = slots + {slot} * width;" for slot in used),
        '_Pragma("GCC ivdep")',
        "for (long i = 0; i < width; i++) {",
        *(f"const real v{v} = s{v}[i];" for v in sorted(read) if v < program.inputs),
    ]
    for place in needed:
        operation = program.operations[place]
        kind = "int" if operation.name in TRUTHS else "real"
        value = TEMPLATES[operation.name].format(*(_operand(x) for x in operation.operands))
        lines.append(f"const {kind} v{program.inputs + place} = {value};")
    lines += [f"s{slot}[i] = v{value};" for slot, value in changed]
    return GAP.join([*lines, "}", "}"])


def _operand(operand: Operand) -> str:
    kind, number = operand
    if kind == "constant":
        return literal(number)
    return f"v{int(number)}" if kind == "value" else f"c{int(number)}"

"""One step of an optimizer as a list of elementwise operations on all weights at once.

Values are numbered: first the slots (weights, gradient, then what the optimizer keeps), then the results of the
operations in order. Scalars are numbered too; they differ from replica to replica and from step to step.
"""

from dataclasses import dataclass, field

import numpy as np

Operand = tuple[str, float]
"""`("value", number)`, `("scalar", number)` or `("constant", the number itself)`."""
WEIGHTS, GRADIENT = 0, 1
"""The first two slots."""
CONSTANTS = (-1.0, 0.0, 1.0, 2.0, 0.5)
"""Numbers written into programs; all others are scalars, so that one program serves every step."""


class Unstackable(Exception):
    """The optimizer does something that is not the same operation on every element."""


@dataclass(frozen=True)
class Operation:
    """One elementwise operation.

    Args:
        name: A row of `operations.TABLE`.
        operands: What it is given.
    """

    name: str
    operands: tuple[Operand, ...]


@dataclass(frozen=True)
class Program:
    """What a step does; two steps that do the same are equal.

    Args:
        slots: How many slots there are after the step.
        inputs: How many there were before it.
        operations: In order; the result of the first has number `inputs`.
        outputs: The value each slot holds afterwards; a slot that keeps its value names itself.
    """

    slots: int
    inputs: int
    operations: tuple[Operation, ...]
    outputs: tuple[int, ...]

    @property
    def changes(self) -> list[tuple[int, int]]:
        """The slots that hold something else afterwards, each with the value it holds."""
        return [(slot, value) for slot, value in enumerate(self.outputs) if slot != value or slot >= self.inputs]

    def needed(self) -> list[int]:
        """The operations whose results reach a slot.

        Returns:
            Their places, ascending.
        """
        wanted = set(self.outputs)
        for place in reversed(range(len(self.operations))):
            if self.inputs + place in wanted:
                wanted.update(int(x) for kind, x in self.operations[place].operands if kind == "value")
        return [place for place in range(len(self.operations)) if self.inputs + place in wanted]


@dataclass(frozen=True)
class Recording:
    """What an optimizer does in each step, for a group of replicas.

    Args:
        programs: The different programs.
        steps: For each step the number of its program.
        scalars: For each step an array (scalars, replicas) in float64.
    """

    programs: list[Program] = field(default_factory=list[Program])
    steps: list[int] = field(default_factory=list[int])
    scalars: list[np.ndarray] = field(default_factory=list[np.ndarray])

    @property
    def slots(self) -> int:
        """The most slots any step has."""
        return max((program.slots for program in self.programs), default=2)

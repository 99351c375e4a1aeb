"""Scratch memory of native code: given out, taken back, and used again."""

from lossgauge.frameworks.torch.stacking.native.expressions import View, row_major

BYTES = {"real": None, "long": 8, "char": 1}
BLOCK = 64
"""Blocks start and end at multiples of this many bytes."""


class Memory:
    """One piece of memory, cut into blocks whose life ends before the program does.

    Args:
        size: Bytes of a number of the kind `real`.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.total = 0
        self._free: list[tuple[int, int]] = []
        self._given: dict[str, tuple[int, int]] = {}

    def take(self, shape: tuple[int, ...], kind: str = "real", strides: tuple[int, ...] | None = None) -> View:
        """A block for some numbers.

        Args:
            shape: Their shape.
            kind: `real`, `long` or `char`.
            strides: In numbers; by default one after the other.

        Returns:
            Where they are.
        """
        strides = row_major(shape) if strides is None else strides
        count = 1 + sum((length - 1) * stride for length, stride in zip(shape, strides, strict=True))
        length = -(-count * (BYTES[kind] or self.size) // BLOCK) * BLOCK + BLOCK
        start = self._place(length)
        base = f"(({kind} *)(scratch + {start}))"
        self._given[base] = (start, length)
        return View(base, shape, strides, kind)

    def keep(self, bases: set[str]) -> None:
        """Take all other blocks back.

        Args:
            bases: The pointers of views that are still read, and of parts of them.
        """
        for base in [base for base in self._given if not any(base in kept for kept in bases)]:
            self._free.append(self._given.pop(base))

    def _place(self, length: int) -> int:
        fitting = [block for block in self._free if block[1] == length]
        if fitting:
            self._free.remove(fitting[-1])
            return fitting[-1][0]
        self.total += length
        return self.total - length

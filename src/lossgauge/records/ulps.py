"""How far two tensors are apart, counted in representable numbers of their own format."""

import numpy as np

from lossgauge.records.run import Bits

WIDTHS = {"float16": 2, "bfloat16": 2, "float32": 4, "float64": 8, "complex32": 2, "complex64": 4, "complex128": 8}
EXPONENT_MASKS = {"float16": 0x7C00, "bfloat16": 0x7F80, "complex32": 0x7C00, 2: 0x7C00, 4: 0x7F80_0000, 8: 0x7FF << 52}
"""The bits that are all set in an infinity and in what is not a number, by format or by width in bytes."""


def ulps(left: Bits, right: Bits) -> int | str | None:
    """The largest distance between two tensors in representable numbers.

    Args:
        left: The bytes of one tensor.
        right: The bytes of the other.

    Returns:
        A count; `nan` or `inf` where one of them holds such a number; None where they have no numbers to compare.

    >>> one, next_one = (Bits("float32", np.float32(x).tobytes()) for x in (1, np.nextafter(np.float32(1), 2)))
    >>> ulps(one, next_one)
    1
    """
    width = WIDTHS.get(left.format)
    if width is None or left.format != right.format or len(left.content) != len(right.content):
        return None
    a, b = (np.frombuffer(bits.content, f"<u{width}").astype(np.uint64) for bits in (left, right))
    mask = np.uint64(EXPONENT_MASKS.get(left.format, EXPONENT_MASKS[width]))
    sign = np.uint64(1 << (8 * width - 1))
    for name, found in (("nan", _special(a, b, mask, sign, False)), ("inf", _special(a, b, mask, sign, True))):
        if found:
            return name
    apart = _order(a, sign), _order(b, sign)
    return int((np.maximum(*apart) - np.minimum(*apart)).max(initial=0))


def _special(a: np.ndarray, b: np.ndarray, mask: np.uint64, sign: np.uint64, infinite: bool) -> bool:
    for tensor in (a, b):
        size = tensor & ~sign
        if bool(np.any(size == mask if infinite else size > mask)):
            return True
    return False


def _order(tensor: np.ndarray, sign: np.uint64) -> np.ndarray:
    """Unsigned integers in the order of the numbers they stand for; both zeros are the same."""
    size = tensor & ~sign
    return np.where(tensor & sign, sign - size, sign + size)

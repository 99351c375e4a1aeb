"""Measured numbers as words of a sentence."""


def spell(value: float) -> str:
    """A number to one or two digits, as a person would write it.

    >>> spell(1e5), spell(9049.2), spell(5.4e-7), spell(0.0035), spell(156.2), spell(25.1)
    ('1e5', '9e3', '5e-7', '0.0035', '160', '25')

    Args:
        value: Any finite number.

    Returns:
        The text.
    """
    if value == 0:
        return "0"
    if not 1e-3 <= abs(value) < 1e3:
        mantissa, _, power = f"{value:.0e}".partition("e")
        return f"{mantissa}e{int(power)}"
    return f"{float(f'{value:.2g}'):g}"


def spell_share(share: float) -> str:
    """A relative size: in per cent where that reads well.

    >>> spell_share(1.1), spell_share(0.0398), spell_share(0.004), spell_share(5e-7)
    ('110 %', '4 %', '0.4 %', '5e-7')

    Args:
        share: A relative size, dimensionless.

    Returns:
        The text.
    """
    if share < 1e-3:
        return spell(share)
    return f"{100 * share:.0f} %" if share > 0.01 else f"{100 * share:.1f} %"

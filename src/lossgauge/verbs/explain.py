"""`explain`: what α does to an optimizer with its numbers, and which numbers train the same."""

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any

from lossgauge.errors import InputError
from lossgauge.laws.advice import advise, say_exact, say_untouched, summarise
from lossgauge.laws.companions import COMPANIONS, companion_exponent
from lossgauge.laws.equivalence import LARGEST, dimensionless_groups, scaled
from lossgauge.laws.formats import SMALLEST, SMALLEST_NORMAL
from lossgauge.laws.judgement import combine, judge
from lossgauge.laws.law import Law
from lossgauge.laws.multiplier import multiplier, multiplier_of_cause
from lossgauge.laws.settings import flatten, settle
from lossgauge.laws.spelling import spell_alpha, spell_value
from lossgauge.laws.table import find_row
from lossgauge.records.explanation import Counterpart, Explanation
from lossgauge.verbs.laws import law_of_name, law_of_optimizer, unwrapped


def explain(
    optimizer: Any,
    alpha: str | float | Fraction | None = None,
    *,
    settings: Mapping[str, Any] | None = None,
    before: str | None = None,
    after: str | None = None,
    items: int | None = None,
    accumulate: int | None = None,
    world_size: int | None = None,
    dtype: str = "float32",
) -> Explanation:
    """What multiplying the loss by α does to this optimizer, and which settings train as before.

    Args:
        optimizer: A name such as `nadam` or `module:Class`, or a live optimizer with `param_groups`.
        alpha: α as a number or text (`1e5`, `2**17`, `1/256`); multiplied by what the causes below amount to.
        settings: Values by name in place of the defaults; settings of clipping, schedules and scalers are accepted too.
        before: The old reduction, `sum` or `mean`.
        after: The new reduction, `sum` or `mean`.
        items: The number of items the reduction runs over, a count.
        accumulate: Micro-batches per step whose gradients are added, a count.
        world_size: Ranks whose gradients are averaged, a count.
        dtype: The format of the training: `float32`, `float64`, `bfloat16` or `float16`.

    Returns:
        The explanation.

    Raises:
        InputError: When the optimizer or a setting is unknown, α is missing or not positive, or a setting overflows.
    """
    factor = _read_alpha(alpha, before, after, items, accumulate, world_size)
    if dtype not in LARGEST:
        raise InputError(f"dtype is {dtype!r}, expected one of {', '.join(LARGEST)}")
    groups = _find_groups(optimizer, dict(settings or {}))
    counterparts = tuple(_correspond(law, values, factor, dtype) for law, values in groups)
    _check_alpha(factor, dtype)
    return _compose([law for law, _ in groups], counterparts, factor, _warn_of_tiny(counterparts, dtype))


def _compose(
    laws: list[Law], counterparts: tuple[Counterpart, ...], factor: Fraction, warnings: list[str]
) -> Explanation:
    law, first = laws[0], counterparts[0]
    judgement = combine([judge(law, c.settings, factor) for law, c in zip(laws, counterparts, strict=True)])
    forward = [(c.settings, c.equivalent) for c in counterparts]
    backward = [(c.settings, c.untouched) for c in counterparts]
    return Explanation(
        optimizer=law.target,
        alpha=factor,
        verdict=judgement.verdict,
        counterparts=counterparts,
        summary=summarise(law, first.exponents, first.settings, factor),
        untouched=say_untouched(law, factor, backward),
        exact=tuple(say_exact(judgement.verdict, factor)),
        inexact=judgement.inexact,
        advice=(*advise(law, factor, forward), *warnings),
        dimensionless_groups=tuple(dimensionless_groups(replace(law, exponents=first.exponents))),
        hidden_constants=judgement.constants,
        inert=law.inert,
    )


def _read_alpha(
    alpha: str | float | Fraction | None,
    before: str | None,
    after: str | None,
    items: int | None,
    accumulate: int | None,
    world_size: int | None,
) -> Fraction:
    causes = (before, after, items, accumulate, world_size)
    if alpha is None and all(cause is None for cause in causes):
        raise InputError(
            "no loss multiplier was given; write --alpha 1e5, or a cause: --from sum --to mean --items 256, "
            "--accumulate 8, --world-size 4"
        )
    return (Fraction(1) if alpha is None else multiplier(alpha)) * multiplier_of_cause(*causes)


def _find_groups(optimizer: Any, given: dict[str, Any]) -> list[tuple[Law, dict[str, Any]]]:
    """The law and all settings of each parameter group; a name has one group."""
    if isinstance(optimizer, str):
        law = law_of_name(optimizer, given)
        return [(law, settle(law, given))]
    optimizer = unwrapped(optimizer)
    param_groups = getattr(optimizer, "param_groups", None)
    if not isinstance(param_groups, list) or not param_groups:
        raise InputError(
            f"{type(optimizer).__name__} is no optimizer, expected a name such as 'adam', or an object with "
            "param_groups, such as torch's"
        )
    first = law_of_optimizer(optimizer)
    row = find_row(first.target)
    groups: list[tuple[Law, dict[str, Any]]] = []
    for group in param_groups:
        live = flatten({name: _number(value) for name, value in group.items() if name != "params"})
        law = first if row is None else row.law_for(live | given)
        own = [name for name in law.defaults if name in live] + [name for name in live if name not in law.defaults]
        groups.append((law, {name: live[name] for name in own if _plain(live[name])} | _extra(law, live, given)))
    return groups


def _extra(law: Law, live: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """What was given beside a live optimizer, checked against its law and its own settings."""
    known = replace(law, defaults={**law.defaults, **live})
    settled = settle(known, given)
    return {name: settled[name] for name in flatten(given)}


def _number(value: Any) -> Any:
    """A learning rate may be a tensor of one element."""
    return value.item() if callable(getattr(value, "item", None)) and getattr(value, "ndim", 1) == 0 else value


def _plain(value: Any) -> bool:
    return value is None or isinstance(value, (bool, int, float, str))


def _correspond(law: Law, settings: dict[str, Any], alpha: Fraction, dtype: str) -> Counterpart:
    exponents = dict(law.exponents)
    for name in settings:
        power = companion_exponent(name, law, settings) if name in COMPANIONS and name not in exponents else None
        if power is not None:
            exponents[name] = power
    equivalent = {h: _scale(h, value, exponents.get(h), alpha) for h, value in settings.items()}
    for name, value in equivalent.items():
        if value != settings[name] and abs(value) > LARGEST[dtype]:
            raise InputError(
                f"{name} would have to be {spell_value(settings[name])}·α^{exponents[name]} = {spell_value(value)}, "
                f"beyond the largest {dtype} number {spell_value(LARGEST[dtype])}; choose an alpha nearer 1 or a wider "
                "dtype"
            )
    untouched = {h: _scale(h, value, exponents.get(h), 1 / alpha, strict=False) for h, value in settings.items()}
    return Counterpart(settings, exponents, equivalent, untouched)


def _scale(name: str, value: Any, exponent: Fraction | None, alpha: Fraction, strict: bool = True) -> Any:
    """α^k·h for a number with an exponent, anything else as it is; None where it does not fit and need not."""
    if not exponent or isinstance(value, bool) or not isinstance(value, (int, float)):
        return value
    try:
        return scaled(value, exponent, alpha)
    except InputError as error:
        if strict:
            raise InputError(f"{name}: {error}") from None
        return None


def _check_alpha(alpha: Fraction, dtype: str) -> None:
    """The loss itself is multiplied by α, so α has to be a number of the format."""
    if alpha > Fraction(LARGEST[dtype]):
        limit = f"above the largest {dtype} number {spell_value(LARGEST[dtype])}, so the loss would overflow"
    elif alpha < Fraction(SMALLEST[dtype]):
        limit = f"below the smallest {dtype} number {spell_value(SMALLEST[dtype])}, so the loss would be 0"
    else:
        return
    raise InputError(f"alpha is {spell_alpha(alpha)}, {limit}; choose an alpha nearer 1 or a wider dtype")


def _warn_of_tiny(counterparts: tuple[Counterpart, ...], dtype: str) -> list[str]:
    tiny = {
        f"{name} = {spell_value(value)}": None
        for counterpart in counterparts
        for name, value in counterpart.equivalent.items()
        if value != counterpart.settings[name] and 0 < abs(value) < SMALLEST_NORMAL[dtype]
    }
    limit = spell_value(SMALLEST_NORMAL[dtype])
    return [f"{text} is below the smallest normal {dtype} number {limit} and may act as 0." for text in tiny]

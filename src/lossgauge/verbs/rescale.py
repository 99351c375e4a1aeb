"""`rescale`: change an optimizer, state included, so that training with the loss multiplied goes on as before."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lossgauge.errors import InputError, LawError
from lossgauge.laws.advice import advise
from lossgauge.laws.equivalence import scale_settings
from lossgauge.laws.law import Law
from lossgauge.laws.multiplier import multiplier
from lossgauge.laws.settings import flatten
from lossgauge.laws.verdict import Verdict
from lossgauge.records.rescaling import Rescaling

if TYPE_CHECKING:
    from lossgauge.frameworks.torch.rescaling.edits import Edits
    from lossgauge.frameworks.torch.rescaling.holdings import Holdings

CLIPPING = "clip_grad_norm_ adds 1e-6 to the norm: the same bit for bit only while the norm is far above that"


def rescale(
    optimizer_or_state_dict: Any,
    alpha: str | float | Fraction,
    *,
    law: Law | None = None,
    optimizer: str | None = None,
    max_norm: float | None = None,
    clip_value: float | None = None,
    scaler: Any = None,
    scheduler: Any = None,
    force: bool = False,
) -> Rescaling:
    """Go on as before with the loss multiplied by α: every h becomes α^k·h, in place.

    Call it between two steps, with the gradients cleared. All products are formed and checked first; when one of them
    is refused, nothing has been changed. A `state_dict` gets new tensors, so that the optimizer it came from stays as
    it is.

    Args:
        optimizer_or_state_dict: A torch optimizer, or its `state_dict`.
        alpha: α as a number or text (`1e5`, `2**17`, `1/256`), dimensionless; relative to the loss until now.
        law: Its law; by default looked up, or discovered.
        optimizer: The optimizer's name, such as `nadam`; needed for a `state_dict`, which does not name its class.
        max_norm: The threshold of global-norm clipping until now, in L/W; the record has the new one.
        clip_value: The threshold of value clipping until now, in L/W; the record has the new one.
        scaler: A GradScaler, or its `state_dict`: its scale S becomes S/α, so that α·S stays.
        scheduler: A scheduler, its `state_dict`, or a list of them.
        force: Whether to do the best possible where no exact law exists; the record's notes say what is lost.

    Returns:
        What was changed, and what it promises.

    Raises:
        InputError: When something cannot be used, or a product overflows or underflows.
        LawError: When no exponents exist, or a state has none, and `force` is not set.
    """
    mechanics = _load_mechanics()
    holdings = mechanics.read_holdings(optimizer_or_state_dict)
    edits = mechanics.Edits(multiplier(alpha), force)
    laws = [law] * (len(holdings.groups) + 1) if law else _find_laws(optimizer_or_state_dict, holdings, optimizer)
    _check_laws(edits, laws, holdings)
    mechanics.plan_training(edits, holdings, laws, scheduler, scaler)
    thresholds = _plan_thresholds(edits, {"max_norm": max_norm, "clip_value": clip_value})
    edits.apply()
    return _record(edits, laws[0], thresholds)


def rescale_checkpoint(
    path: str | Path,
    alpha: str | float | Fraction,
    output: str | Path,
    *,
    key: str | None = None,
    optimizer: str | None = None,
    law: Law | None = None,
    max_norm: float | None = None,
    clip_value: float | None = None,
    force: bool = False,
) -> Rescaling:
    """Rescale a checkpoint file into a new one.

    The file is read with `weights_only=True`. Where it holds one optimizer, the schedulers and GradScalers in it are
    rescaled with it; everything else is copied.

    Args:
        path: The file, as `torch.save` wrote it.
        alpha: α, dimensionless; relative to the loss until now.
        output: The file to write; it must not exist.
        key: Where the optimizer's `state_dict` is, such as `optimizer` or `states.0`; found where there is only one.
        optimizer: The optimizer's name, such as `nadam`, which the file does not tell.
        law: Its law, in place of the known one.
        max_norm: The threshold of global-norm clipping until now, in L/W.
        clip_value: The threshold of value clipping until now, in L/W.
        force: As for `rescale`.

    Returns:
        What is different in the new file.

    Raises:
        InputError: When a file cannot be read or written, or the optimizer in it is not found or not named.
        LawError: As for `rescale`.
    """
    _load_mechanics()
    from lossgauge.frameworks.torch.rescaling import checkpoints

    checkpoints.check_output(output)
    content = checkpoints.load_checkpoint(path)
    state, scheduler, scaler, left = checkpoints.read_contents(content, path, key)
    named = {"law": law, "optimizer": optimizer, "max_norm": max_norm, "clip_value": clip_value, "force": force}
    record = rescale(state, alpha, scheduler=scheduler, scaler=scaler, **named)
    checkpoints.save_checkpoint(content, output)
    note = f"the file holds several optimizers, so {', '.join(left)} may belong to another one and stayed as they are"
    return replace(record, notes=(*record.notes, note)) if left else record


def _load_mechanics() -> Any:
    try:
        from lossgauge.frameworks.torch.rescaling import holdings
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise InputError("rescale changes torch optimizers, and torch is not installed: pip install torch") from None
    return holdings


def _find_laws(subject: Any, holdings: "Holdings", name: str | None) -> Sequence[Law]:
    """The law of every group, and last that of the defaults; groups may differ in the flags that choose a law."""
    if name is None and not holdings.live:
        raise InputError("a state_dict does not name its optimizer; say which it is, such as optimizer='nadam'")
    from lossgauge.frameworks.registry import target_of
    from lossgauge.verbs.laws import law_of_name, law_of_optimizer, unwrapped

    sections = [{k: v for k, v in group.items() if k != "params"} for group in [*holdings.groups, holdings.defaults]]
    if name is not None and not holdings.live:
        return [law_of_name(name, settings) for settings in [*sections[:-1], sections[0]]]
    flags = [{k: v for k, v in settings.items() if isinstance(v, (bool, str))} for settings in sections]
    if all(flag == flags[0] for flag in flags):
        return [law_of_optimizer(subject)] * len(sections)
    return [law_of_name(name or target_of(unwrapped(subject)), settings) for settings in sections]


def _check_laws(edits: "Edits", laws: Sequence[Law], holdings: "Holdings") -> None:
    for law, group in zip(laws, [*holdings.groups, holdings.groups[0]], strict=True):
        if law.verdict is Verdict.CLOSE:
            edits.doubt(f"the law of {law.title} is CLOSE: the same up to rounding, not bit for bit")
        if law.lawful:
            continue
        reason = law.reason() or "no exponents are known for these settings"
        remedy = _say_remedy(law, group, edits.alpha)
        if not edits.force:
            raise LawError(
                f"{law.title} is {law.verdict}, so no settings train as before: {reason}. {remedy} "
                "Use force to apply the exponents that are known."
            )
        edits.doubt(f"this is an approximation, because {law.title} is {law.verdict}: {reason}. {remedy}")


def _say_remedy(law: Law, group: Mapping[str, Any], alpha: Fraction) -> str:
    settings = flatten({name: value for name, value in group.items() if name != "params"})
    return advise(law, alpha, [(settings, scale_settings(law, settings, alpha))])[0]


def _plan_thresholds(edits: "Edits", given: dict[str, float | None]) -> dict[str, float | None]:
    """The thresholds of clipping, which are compared with gradients; multiplied when the edits are applied."""
    thresholds = {name: None if value is None else float(value) for name, value in given.items()}
    for name, value in thresholds.items():
        if value is not None and not value >= 0:
            raise InputError(f"{name} is {value}, expected a threshold of at least 0")
        edits.plan(thresholds, name, "clip", lambda _: Fraction(1))
    if thresholds["max_norm"] is not None:
        edits.doubt(CLIPPING)
    return thresholds


def _record(edits: "Edits", law: Law, thresholds: dict[str, float | None]) -> Rescaling:
    return Rescaling(
        optimizer=law.title,
        alpha=edits.alpha,
        verdict=str(law.verdict),
        exact=not edits.doubts,
        changes=tuple(edits.changes.values()),
        max_norm=thresholds["max_norm"],
        clip_value=thresholds["clip_value"],
        notes=(*edits.doubts, *edits.notes),
    )

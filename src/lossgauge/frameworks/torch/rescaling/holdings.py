"""Where the units of the loss live in a torch training, and how all of it is multiplied by its α^k at once.

Hyperparameters and defaults of an optimizer, its state tensors, the learning rates a scheduler remembers, and the scale
of a GradScaler, each live or as its `state_dict`. A live object is changed in place; a `state_dict` gets new tensors,
because its own still belong to the optimizer it came from.
"""

from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import Any

import torch

from lossgauge.errors import InputError, LawError
from lossgauge.frameworks.torch.rescaling.edits import Edits, Exponent
from lossgauge.frameworks.torch.rescaling.statedicts import is_optimizer_state
from lossgauge.laws.law import Law
from lossgauge.laws.settings import flatten
from lossgauge.laws.spelling import spell_list

GROUP_RATES = ("initial_lr", "max_lr", "min_lr", "swa_lr")
"""What schedules leave in a parameter group; they carry the exponent of `lr`."""
SCHEDULE_RATES = ("base_lrs", "_last_lr", "min_lrs", "max_lrs", "default_min_lr", "eta_min")
"""What schedules remember themselves; they carry the exponent of `lr`."""

_NOTHING = Fraction(0)
_LOSS = Fraction(1)


@dataclass
class Holdings:
    """What an optimizer, or its `state_dict`, holds.

    Args:
        groups: The parameter groups, as the optimizer keeps them.
        state: State slots by parameter, or by its index in a `state_dict`.
        defaults: Settings of groups that are added later; empty for a `state_dict`.
        source: The `state_dict` to write back to; None for a live optimizer.
    """

    groups: Sequence[MutableMapping[str, Any]]
    state: Mapping[Any, Any]
    defaults: MutableMapping[str, Any]
    source: MutableMapping[str, Any] | None = None

    @property
    def live(self) -> bool:
        """Whether it belongs to a live optimizer."""
        return self.source is None

    def owners(self) -> dict[Any, int]:
        """The index of the group each parameter belongs to, by its key in `state`.

        Returns:
            Key → index.
        """
        return {parameter: i for i, group in enumerate(self.groups) for parameter in group["params"]}

    def dtype(self, index: int) -> torch.dtype:
        """The format a group's arithmetic runs in.

        Args:
            index: Which group.

        Returns:
            float64 where all its weights (or, in a `state_dict`, its state tensors) are; else float32, in which half
            formats are computed too.
        """
        tensors: list[Any] = []
        for parameter in self.groups[index]["params"]:
            slots = self.state.get(parameter, {})
            kept = [slots[slot] for slot in slots if slot != "step"] if isinstance(slots, Mapping) else []
            tensors += [parameter] if self.live else kept
        kinds = {t.dtype for t in tensors if isinstance(t, torch.Tensor)}
        return torch.float64 if kinds <= {torch.float64, torch.complex128} else torch.float32


def read_holdings(subject: Any) -> Holdings:
    """What an optimizer or `state_dict` holds.

    Args:
        subject: A torch optimizer, or what its `state_dict()` returns.

    Returns:
        Its holdings; those of a `state_dict` are copies, down to the containers, of what it shares with its optimizer.

    Raises:
        InputError: When it is neither.
    """
    if isinstance(subject, MutableMapping) and is_optimizer_state(subject):
        groups = [dict(group) for group in subject["param_groups"]]
        state = {key: dict(slots) if isinstance(slots, Mapping) else slots for key, slots in subject["state"].items()}
        return Holdings(groups, state, {}, subject)
    groups, state = getattr(subject, "param_groups", None), getattr(subject, "state", None)
    if not isinstance(groups, list) or not groups or not isinstance(state, Mapping):
        raise InputError(
            f"rescale was given {type(subject).__name__}, expected a torch optimizer or its state_dict "
            "(a dict with 'state' and 'param_groups')"
        )
    return Holdings(groups, state, getattr(subject, "defaults", {}))


def plan_training(edits: Edits, holdings: Holdings, laws: Sequence[Law], scheduler: Any, scaler: Any) -> None:
    """Plan everything that carries units of the loss in a training.

    Args:
        edits: Where it is planned.
        holdings: The optimizer.
        laws: The law of each group, and last that of the defaults.
        scheduler: A scheduler, its `state_dict`, a list of them, or None.
        scaler: A GradScaler, its `state_dict`, or None.

    Raises:
        InputError: When something is not what it should be, or a product leaves its format.
        LawError: When a state slot has no known exponent and `edits.force` is not set.
    """
    plan_optimizer(edits, holdings, laws)
    if scheduler is not None:
        plan_schedule(edits, scheduler, laws[0].exponents.get("lr", _NOTHING))
    if scaler is not None:
        plan_scaler(edits, scaler)


def plan_optimizer(edits: Edits, holdings: Holdings, laws: Sequence[Law]) -> None:
    """Plan everything that is in the optimizer: settings, defaults and state tensors.

    Args:
        edits: Where it is planned.
        holdings: The optimizer.
        laws: The law of each group, and last that of the defaults.

    Raises:
        InputError: When a product leaves its format.
        LawError: When a state slot has no known exponent; with `edits.force` it is noted instead.
    """
    sections = [(f"param_groups[{i}]", group) for i, group in enumerate(holdings.groups)]
    dtypes = [holdings.dtype(i) for i in range(len(sections))]
    sections.append(("defaults", holdings.defaults))
    for (place, group), law, dtype in zip(sections, laws, [*dtypes, torch.float64], strict=True):
        for name in [key for key in group if key != "params"]:
            edits.plan(group, name, place, setting_exponent(law), in_place=holdings.live, dtype=dtype)
        _note_unknown(edits, law, group)
    _plan_states(edits, holdings, laws)
    if holdings.source is not None:
        edits.then(partial(_write_back, holdings, holdings.source))


def plan_schedule(edits: Edits, schedule: Any, rate: Fraction, place: str = "scheduler") -> None:
    """Plan the learning rates, thresholds and losses a scheduler remembers.

    Args:
        edits: Where it is planned.
        schedule: A scheduler, its `state_dict`, or a list of them.
        rate: The exponent of the learning rate.
        place: Its name, for people.

    Raises:
        InputError: When it is nothing that remembers numbers.
    """
    if isinstance(schedule, (list, tuple)):
        for i, one in enumerate(schedule):
            plan_schedule(edits, one, rate, f"{place}[{i}]")
        return
    live = not isinstance(schedule, dict)
    if live and not hasattr(schedule, "__dict__"):
        raise InputError(f"scheduler is {type(schedule).__name__}, expected a torch scheduler or its state_dict")
    fields: dict[str, Any] = vars(schedule) if live else schedule
    exponents: dict[str, Fraction] = dict.fromkeys(SCHEDULE_RATES, rate)
    if "threshold_mode" in fields:
        exponents |= _plateau_exponents(edits, fields, rate)
    for name in [name for name in exponents if name in fields]:
        edits.plan(fields, name, place, _by_name(exponents), in_place=live)
    for name, value in fields.items():
        foreign = name not in exponents and {"lr", "lrs"} & set(name.split("_"))
        if rate and foreign and isinstance(value, (float, torch.Tensor)):
            edits.note(f"{name} of the {place} looks like a learning rate and was left as it is ({value:g})")
    for i, child in enumerate(fields.get("_schedulers") or ()):
        plan_schedule(edits, child, rate, f"{place}._schedulers[{i}]")


def plan_scaler(edits: Edits, scaler: Any) -> None:
    """Plan S := S/α, so that the product α·S that multiplies the backward pass stays.

    Args:
        edits: Where it is planned.
        scaler: A GradScaler or its `state_dict`.

    Raises:
        InputError: When it is neither.
    """
    live = not isinstance(scaler, dict)
    fields: dict[str, Any] = getattr(scaler, "__dict__", {}) if live else scaler
    if not fields.get("_enabled", True) or (not live and not fields):
        edits.note("the scaler is disabled: it multiplies by nothing, and nothing in it was changed")
        return
    name = next((name for name in ("_scale", "_init_scale", "scale") if fields.get(name) is not None), None)
    if name is None:
        raise InputError(f"scaler is {type(scaler).__name__}, expected a torch GradScaler or its state_dict")
    edits.plan(fields, name, "scaler", lambda _: -_LOSS, in_place=live, dtype=torch.float32)


def setting_exponent(law: Law) -> Exponent:
    """The exponent of a setting by name.

    Args:
        law: The law.

    Returns:
        A function from names to exponents; what schedules leave in a group follows `lr`.
    """
    rates = dict.fromkeys(GROUP_RATES, law.exponents.get("lr", _NOTHING))
    return _by_name({**rates, **law.exponents})


def _write_back(holdings: Holdings, source: MutableMapping[str, Any]) -> None:
    """Put what was changed into the `state_dict`, and copies of the tensors that were not."""
    old = [*source["param_groups"], *source["state"].values()]
    for before, after in zip(old, [*holdings.groups, *holdings.state.values()], strict=True):
        for name in [name for name in after if isinstance(after[name], torch.Tensor) and after[name] is before[name]]:
            after[name] = after[name].clone()
    source.update(state=holdings.state, param_groups=list(holdings.groups))


def _by_name(exponents: Mapping[str, Fraction]) -> Exponent:
    """Entries of a tuple by their own name (`eps[0]`), or by that of the tuple."""
    return lambda name: exponents.get(name, exponents.get(name.partition("[")[0], _NOTHING))


def _plateau_exponents(edits: Edits, fields: Mapping[str, Any], rate: Fraction) -> dict[str, Fraction]:
    if fields.get("mode") == "max":
        edits.note("the scheduler watches something to maximise, which is no loss: its threshold and best stay")
        return {"eps": rate}
    edits.note("the scheduler must be given the loss multiplied by alpha from now on")
    absolute = fields["threshold_mode"] == "abs"
    return {"eps": rate, "best": _LOSS, "threshold": _LOSS if absolute else _NOTHING}


def _plan_states(edits: Edits, holdings: Holdings, laws: Sequence[Law]) -> None:
    owners = holdings.owners()
    unknown: dict[str, None] = {}
    for key, slots in holdings.state.items():
        law = laws[owners.get(key, 0)]
        if not isinstance(slots, MutableMapping):
            unknown[str(key)] = None
            continue
        for slot in list(slots):
            if slot in law.states:
                edits.plan(slots, slot, "state", _by_name(law.states), in_place=holdings.live)
            elif any(not _counts(slot, value) for value in _leaves(slots[slot])):
                unknown[str(slot)] = None
    if not unknown:
        return
    names = ", ".join(unknown)
    if not edits.force:
        raise LawError(
            f"the law of {laws[0].title} has no exponent for its state {names}; "
            "discover the law first, or use force to leave it as it is"
        )
    edits.doubt(f"the state {names} has no known exponent and was left as it is")


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        for entry in value:
            yield from _leaves(entry)
    elif value is not None:
        yield value


def _counts(slot: str, value: Any) -> bool:
    """Whether a state value is a counter, a flag or a text, which carry no units."""
    if isinstance(value, torch.Tensor):
        whole = not (value.dtype.is_floating_point or value.dtype.is_complex)
        return value.numel() == 1 and (whole or slot == "step")
    return slot == "step" or isinstance(value, (int, str))


def _note_unknown(edits: Edits, law: Law, group: Mapping[str, Any]) -> None:
    """Say which numbers of a group nobody knows the exponent of; flags, counts, texts and zeros need none."""
    known = {*law.exponents, *law.inert, *GROUP_RATES}
    unknown = [
        name
        for name, value in flatten({name: value for name, value in group.items() if name != "params"}).items()
        if isinstance(value, float) and value and not {name, name.partition("[")[0]} & known
    ]
    if unknown:
        verb = "has" if len(unknown) == 1 else "have"
        edits.note(f"{spell_list(unknown)} {verb} no known exponent: left unchanged")

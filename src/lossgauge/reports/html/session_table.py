"""What was trained, in tables: optimizers, tensors, events, versions; and what was observed of it."""

from collections.abc import Iterable, Mapping
from typing import Any

from lossgauge.laws.spelling import spell_value
from lossgauge.records.session import Optimizer, Session
from lossgauge.reports.html.markup import Markup, join, table, tag
from lossgauge.reports.numbers import spell_short

MOST_ROWS = 400


def write_observed(plain: Mapping[str, Any], session: Session) -> Markup:
    """What was observed, and what was not.

    Args:
        plain: `Diagnosis.to_dict()`, for its notes.
        session: The session.

    Returns:
        A list.
    """
    elements = sum(optimizer.elements for optimizer in session.optimizers)
    seen = sum(tensor.elements for tensor in session.tensors)
    held = sum(optimizer.tensors for optimizer in session.optimizers)
    lines = [
        f"{session.made} optimizer steps, {len(session.samples)} of them sampled in detail",
        f"{len(session.tensors)} of {held or len(session.tensors)} weight tensors, {seen:,} of {elements or seen:,} "
        "weights; large tensors by a fixed sample of their elements, their norms in full",
        f"losses read off the autograd graph: {len(session.readings)}",
        _say_trials(session),
        _say_ending(session),
        *_say_cost(session),
        *(str(note) for note in plain.get("notes", ())),
        *(event.text for event in session.events if event.kind in ("limit", "process")),
    ]
    return tag("ul", *(tag("li", line) for line in dict.fromkeys(lines) if line))


def write_session_table(session: Session) -> Markup:
    """Everything about the session that is not a course over time.

    Args:
        session: The session.

    Returns:
        Tables with their headings.
    """
    parts: list[Markup | None] = [
        tag("h3", "Optimizers"),
        table(("optimizer", "settings", "flags", "tensors", "weights", "law"), _optimizer_rows(session)),
        tag("h3", "Weight tensors"),
        table(("tensor", "shape", "format", "optimizer", "weights"), _tensor_rows(session)),
    ]
    left = len(session.tensors) - MOST_ROWS
    parts.append(tag("p", f"and {left} more") if left > 0 else None)
    if session.events:
        rows = [(str(event.number), event.kind, event.text) for event in session.events[:MOST_ROWS]]
        parts += [tag("h3", "Events"), table(("step", "kind", "what happened"), rows)]
    versions = [("command", " ".join((session.script, *session.args))), *session.versions.items()]
    return join([*parts, tag("h3", "Run"), table(("", ""), versions)])


def _optimizer_rows(session: Session) -> Iterable[tuple[str, ...]]:
    for number, optimizer in enumerate(session.optimizers):
        groups = optimizer.settings[:8] or ({},)
        for index, settings in enumerate(groups):
            name = f"{number}: {optimizer.title}" + (f", group {index}" if len(groups) > 1 else "")
            numbers = ", ".join(f"{key} {spell_value(value)}" for key, value in settings.items())
            flags = ", ".join(f"{key} {spell_value(value)}" for key, value in optimizer.flags.items() if value)
            first = index == 0
            yield (name, numbers, flags if first else "", str(optimizer.tensors) if first else "",
                   f"{optimizer.elements:,}" if first else "", _say_law(optimizer) if first else "")  # fmt: skip


def _say_law(optimizer: Optimizer) -> str:
    if optimizer.law is None:
        return optimizer.obstacle or "not known"
    carriers = ", ".join(f"{name} {power}" for name, power in optimizer.law.carriers.items())
    return f"{optimizer.law.verdict}: " + (carriers or "nothing moves")


def _tensor_rows(session: Session) -> Iterable[tuple[str, ...]]:
    for tensor in session.tensors[:MOST_ROWS]:
        shape = "×".join(map(str, tensor.shape)) or "scalar"
        yield tensor.name, shape, tensor.format, str(tensor.optimizer), f"{tensor.elements:,}"


def _say_trials(session: Session) -> str:
    if not session.trials:
        return "no remedy was tried; lossgauge run --confirm runs the script again with them"
    helped = sum(trial.helped for trial in session.trials)
    return f"remedies tried in runs of their own: {len(session.trials)}, of which {helped} helped"


def _say_ending(session: Session) -> str:
    ending = session.ending
    if ending is None:
        return "the record breaks off: how the training ended is not known"
    return f"the training {ending.reason}" + (f": {ending.detail}" if ending.detail else "")


def _say_cost(session: Session) -> Iterable[str]:
    ending = session.ending
    if ending is not None and ending.seconds:
        yield f"{spell_short(ending.seconds)} s in all, {spell_short(ending.observed_seconds)} s of them for observing"

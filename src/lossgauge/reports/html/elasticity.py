"""How much of a change of the loss reaches the weights, over time, stacked by the hyperparameters that carry it."""

from lossgauge.records.elasticity import weighed_together
from lossgauge.records.session import Sample, Session
from lossgauge.reports.html.chart import (
    INK,
    PALETTE,
    Chart,
    at,
    colours,
    layer,
    layered,
    line_at,
    steps_axis,
    tips,
)
from lossgauge.reports.html.stacking import last_until, order_parts, stack_parts
from lossgauge.reports.html.thinning import finite, spread_evenly

MOST_SAMPLES = 150


def draw_elasticity(session: Session) -> Chart | None:
    """Elasticity over steps.

    Args:
        session: The session.

    Returns:
        The chart of the optimizer with most samples; None where elasticity was never taken.
    """
    samples = _main_samples(session)
    totals = [(sample, weighed_together(sample)) for sample in samples]
    known = [(sample, parts) for sample, parts in totals if parts is not None]
    if not known:
        return None
    last = max((step.number for step in session.steps), default=known[-1][0].number)
    course = [(sample.number, parts) for sample, (_, parts) in known]
    names = order_parts(course, len(PALETTE))
    blocks = stack_parts(course, names, last)
    line = [{"step": sample.number, "value": total} for sample, (total, _) in known]
    ends = last_until([sample.number for sample, _ in known], last)
    line.append({"step": ends[-1], "value": known[-1][1][0]})
    heights = [0.0, 1.0, *(block["top"] for block in blocks), *(block["foot"] for block in blocks)]
    low, high = min(heights), max(heights)
    room = 0.06 * (high - low)
    y = {"field": "value", "type": "quantitative", "title": "elasticity ∂log‖Δw‖ / ∂log α",
         "scale": {"domain": [low - room, high + room], "nice": False}, "axis": {"tickCount": 5}}  # fmt: skip
    along = steps_axis(last, [sample.number for sample, _ in known])
    tip = tips(("step", "quantitative", "step"), ("name", "nominal", "carried by"), ("share", "quantitative", "part"))
    stack = [
        layer(blocks, {"type": "rect", "opacity": 0.75, "clip": True}, x=along, x2={"field": "end"}, y=at(y, "foot"),
              y2={"field": "top"}, color=colours("name", names, PALETTE), tooltip=tip),
    ] if blocks else []  # fmt: skip
    layers = [
        *stack,
        line_at(0.0, "y", y, dash=False),
        line_at(1.0, "y", y),
        layer(line, {"type": "line", "color": INK, "strokeWidth": 1.5, "clip": True, "interpolate": "step-after"},
              x=along, y=y),
    ]  # fmt: skip
    caption = (
        "0: the loss may be multiplied and nothing changes. 1, dashed: a step grows with the loss as under SGD. The "
        "colours say through which setting; they add up to the line. Tensors weigh as much as the square of their "
        "update, as in its norm."
    )
    guessed = dict.fromkeys(n for sample in samples for tensor in sample.tensors for n in tensor.estimated)
    if guessed:
        caption += f" The part of {', '.join(guessed)} within the moments is an estimate from the present weights."
    return Chart("elasticity", "How much of a multiplied loss reaches the weights", caption, layered(layers, 200))


def _main_samples(session: Session) -> list[Sample]:
    counts: dict[int, int] = {}
    for sample in session.samples:
        if any(tensor.elasticity is not None for tensor in sample.tensors):
            counts[sample.optimizer] = counts.get(sample.optimizer, 0) + 1
    main = max(counts, key=lambda number: counts[number], default=None)
    chosen = [sample for sample in session.samples if sample.optimizer == main]
    return spread_evenly([s for s in chosen if finite(t.elasticity for t in s.tensors)], MOST_SAMPLES)

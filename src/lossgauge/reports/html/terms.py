"""The loss's summands over time: which of them the weights listen to."""

from lossgauge.records.loss_reading import LossReading, Term
from lossgauge.records.session import Session
from lossgauge.reports.html.chart import PALETTE, Chart, at, colours, layer, layered, steps_axis, tips
from lossgauge.reports.html.stacking import order_parts, stack_parts
from lossgauge.reports.html.thinning import finite, spread_evenly

MOST_READINGS = 150
OTHERS = "all others"


def draw_terms(session: Session) -> Chart | None:
    """Each summand's share of the gradient norms over steps.

    Args:
        session: The session.

    Returns:
        The chart; None for a loss that is no sum.
    """
    course = [
        (reading.step, shares)
        for reading in spread_evenly(session.readings, MOST_READINGS)
        if (shares := share_gradients(reading)) is not None
    ]
    if not course:
        return None
    names = order_parts(course, len(PALETTE) - 1)
    shown = [(step, _put_together(shares, names)) for step, shares in course]
    names += [OTHERS] if any(OTHERS in shares for _, shares in shown) else []
    last = max((step.number for step in session.steps), default=course[-1][0])
    y = {"field": "foot", "type": "quantitative", "title": "share of the gradient norms",
         "scale": {"domain": [0, 1], "nice": False}, "axis": {"format": "%", "tickCount": 5}}  # fmt: skip
    told = tips(("step", "quantitative", "step"), ("name", "nominal", "summand"), ("share", "quantitative", "share"))
    blocks = layer(
        stack_parts(shown, names, last),
        {"type": "rect", "opacity": 0.8, "clip": True},
        x=steps_axis(last, [step for step, _ in course]),
        x2={"field": "end"},
        y=y,
        y2=at({}, "top"),
        color=colours("name", names, PALETTE, columns=2),
        tooltip=told,
    )
    caption = "‖∂ summand / ∂w‖ of each summand, of all of theirs together: a summand without a share is not trained."
    return Chart("terms", "The summands of the loss", caption, layered([blocks], 180))


def share_gradients(reading: LossReading) -> dict[str, float] | None:
    """How the gradient norms are shared out among the summands.

    Args:
        reading: One reading.

    Returns:
        Title → share, adding up to 1; None for fewer than two summands, or where the norms were not taken.
    """
    norms = {_title(term): term.gradient_norm for term in reading.terms}
    total = sum(finite(norms.values()))
    if len(norms) < 2 or len(finite(norms.values())) < len(norms) or not total:
        return None
    return {name: norm / total for name, norm in norms.items() if norm is not None}


def _title(term: Term) -> str:
    function = term.functions[-1].removesuffix("Backward0") if term.functions else ""
    words = [term.kind] * (term.kind != "other") + [f"({function})"] * bool(function)
    return ": ".join([str(term.index), *[" ".join(words)] * bool(words)])


def _put_together(shares: dict[str, float], names: list[str]) -> dict[str, float]:
    kept = {name: share for name, share in shares.items() if name in names}
    rest = 1.0 - sum(kept.values())
    return {**kept, OTHERS: rest} if rest > 1e-6 and len(kept) < len(shares) else kept

"""Curves over α that fall onto one curve over a dimensionless group."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from lossgauge.laws.law import Law
from lossgauge.reports.html.chart import layer
from lossgauge.reports.numbers import spell_share
from lossgauge.reports.sweeping import quantities, slices
from lossgauge.reports.sweeping.axes import GREY, binary, frame, loss_axis, power_axis, spell_log2
from lossgauge.reports.sweeping.row import ROUNDING, LawOf, Row, finite

Spec = dict[str, Any]

FEWEST = 3
"""How many α a curve needs."""
MOST_LINES = 14
"""How many curves can be told apart."""
WIDTH, HEIGHT = 430, 340
SMALL, RINGS = 30.0, 150.0
"""The area of a dot, and by how much the largest one of a place is larger, in square pixels."""
BETWEEN = 24
"""Pixels between the two panels."""


@dataclass(frozen=True)
class Collapse:
    """A cut in which α and one hyperparameter vary, and every other dimensionless group is constant.

    Args:
        rows: The rows.
        name: The hyperparameter.
        power: Its exponent k.
        title: The optimizer.
        held: Other hyperparameters that move with α so that their groups stay.
    """

    rows: Sequence[Row]
    name: str
    power: Fraction
    title: str
    held: tuple[tuple[str, Fraction], ...]

    @property
    def letter(self) -> str:
        """The hyperparameter as it is called in a picture, such as `ε`."""
        return quantities.letter(self.name)

    @property
    def group(self) -> str:
        """The dimensionless group, such as `ε/α`."""
        return quantities.spell_group(self.name, self.power)

    def place(self, row: Row) -> float:
        """Where a row stands on the axis of the group.

        Args:
            row: The row.

        Returns:
            log₂(h/α^k), without the noise of the logarithm.
        """
        return round(quantities.log2_group(row, self.name, self.power), 6)

    def together(self) -> list[list[Row]]:
        """The rows of each value of the group.

        Returns:
            Lists of rows.
        """
        return list(slices.separate(self.rows, self.place).values())

    def same_weights(self) -> bool:
        """Whether rows of one group have the same final weights.

        Returns:
            True where all have; also where one was taken for another from which it differs by rounding.
        """
        return all(len({(row.outcome.status, row.outcome.digest) for row in rows}) == 1 for rows in self.together())

    def exact(self) -> bool:
        """Whether rows of one group end with the same weights, bit for bit.

        Returns:
            True where all do, and nothing that ended was taken over to rounding.
        """
        return self.same_weights() and not any(row.reused == ROUNDING and finite(row) for row in self.rows)

    def spread(self) -> float:
        """How far rows of one group are apart at most.

        Returns:
            The largest final loss over the smallest, minus 1; infinite where only some of them diverged.
        """
        worst = 0.0
        for rows in self.together():
            finals = [row.outcome.final_loss for row in rows if finite(row)]
            if finals and len(finals) < len(rows):
                return math.inf
            worst = max(worst, max(finals) / min(finals) - 1 if finals else 0.0)
        return worst


def draw_collapses(rows: Sequence[Row], law_of: LawOf) -> dict[str, Spec]:
    """For each optimizer and each hyperparameter in units of the loss: curves over α, and the same over the group.

    Args:
        rows: The rows of a sweep.
        law_of: Where laws come from.

    Returns:
        File name without ending → Vega-Lite specification.
    """
    return {name: draw_collapse(found) for name, found in find_collapses(rows, law_of).items()}


def find_collapses(rows: Sequence[Row], law_of: LawOf) -> dict[str, Collapse]:
    """The cuts of a sweep in which a group can be seen at work.

    Args:
        rows: The rows of a sweep.
        law_of: Where laws come from.

    Returns:
        A name such as `collapse-sgd-lr` → the fullest cut for it.
    """
    found: dict[str, Collapse] = {}
    for alike in slices.separate(rows, slices.variety).values():
        law = law_of(alike[0].setting)
        if law is None or not law.lawful:
            continue
        for name in law.carriers:
            collapse = _fullest(alike, name, law)
            if collapse is not None:
                key = f"collapse-{collapse.title.lower()}-{name.replace('_', '-')}"
                found[_unused(key, found)] = collapse
    return found


def _fullest(rows: Sequence[Row], name: str, law: Law) -> Collapse | None:
    having = [row for row in rows if quantities.positive(row.setting.hyperparameters.get(name))]
    cuts = slices.separate(having, lambda row: slices.rest(row, law, [name], held=True)).values()
    telling = [curves for cut in cuts if (curves := _curves(cut, name, law))]
    if not telling:
        return None
    cut = slices.fullest([row for some in telling for row in some], lambda row: slices.rest(row, law, [name], True))
    others = quantities.carriers(cut[0].setting, law)
    values = {other: {row.setting.hyperparameters.get(other) for row in cut} for other in others}
    held = tuple((other, others[other]) for other in others if other != name and len(values[other]) > 1)
    flags = slices.name_cuts([[row] for row in rows], slices.MAGNITUDES)[0]
    return Collapse(cut, name, law.carriers[name], flags, held)


def _curves(cut: Sequence[Row], name: str, law: Law) -> list[Row]:
    """The rows that lie on curves over α, if there are several and they share values of the group; else none."""
    lines = slices.separate(cut, lambda row: row.setting.hyperparameters[name]).values()
    long = [line for line in lines if len({row.setting.alpha for row in line}) >= FEWEST]
    rows = [row for line in long for row in line]
    groups = {round(quantities.log2_group(row, name, law.carriers[name]), 6) for row in rows}
    return rows if len(long) > 1 and len(groups) < len(rows) and sum(map(finite, rows)) >= FEWEST else []


def _unused(key: str, found: dict[str, Collapse]) -> str:
    plain = "".join(letter if letter.isalnum() or letter == "-" else "-" for letter in key).replace("--", "-")
    return plain if plain not in found else f"{plain}-{sum(name.startswith(plain) for name in found) + 1}"


def draw_collapse(found: Collapse) -> Spec:
    """The final loss over α, one curve for each value of the hyperparameter; beside it the same over the group.

    Args:
        found: The cut.

    Returns:
        A Vega-Lite specification of two panels.
    """
    span = slices.span_of_losses(found.rows)
    up = loss_axis("loss", *span)
    values = sorted({quantities.log2_value(row, found.name) for row in found.rows})
    twos = binary(values)
    values = values[:: math.ceil(len(values) / MOST_LINES)]
    points = [
        {"alpha": quantities.log2_alpha(row), "group": found.place(row), "value": spell_log2(value, twos),
         "loss": math.log10(row.outcome.final_loss) if finite(row) else up["scale"]["domain"][1]}
        | {"gone": not finite(row)}
        for row in found.rows if (value := quantities.log2_value(row, found.name)) in values
    ]  # fmt: skip
    colour = {
        "field": "value", "type": "nominal",
        "scale": {"domain": [spell_log2(value, twos) for value in values],
                  "scheme": {"name": "viridis", "extent": [0.0, 0.92]}},
        "legend": {"title": found.letter, "symbolType": "circle", "symbolOpacity": 1, "symbolSize": 90},
    }  # fmt: skip
    left = power_axis("alpha", "α, the loss multiplier", [point["alpha"] for point in points], 0.5)
    right = power_axis("group", found.group, [point["group"] for point in points], 0.5)
    return frame(
        _title(found),
        _explain(found),
        2 * WIDTH,
        hconcat=[
            _panel(points, left, up, colour, f"before: over α, one curve for each {found.letter}", True),
            _panel(points, right, up, colour, f"after: over {found.group}", False),
        ],
        spacing=BETWEEN,
    )


def _panel(points: Sequence[Spec], across: Spec, up: Spec, colour: Spec, title: str, lines: bool) -> Spec:
    trained = sorted((point for point in points if not point["gone"]), key=lambda point: point[across["field"]])
    gone = [point for point in points if point["gone"]]
    names = colour["scale"]["domain"]
    thread = (
        layer(trained, {"type": "line", "strokeWidth": 2, "clip": True}, x=across, y=up, color=colour)
        if lines
        else layer(trained, {"type": "line", "strokeWidth": 1, "color": GREY, "clip": True}, x=across, y=up)
    )
    # Where all curves are one, each dot lies on the one before it: they get smaller, so that rings of all colours show.
    ranks = {name: rank for rank, name in enumerate(reversed(names))}
    ranked = [point | {"area": SMALL if lines else SMALL + RINGS * ranks[point["value"]] / len(ranks)}
              for point in sorted(trained, key=lambda point: -ranks[point["value"]])]  # fmt: skip
    mark = {"type": "point", "filled": True, "opacity": 1, "clip": True}
    size = {"field": "area", "type": "quantitative", "scale": None, "legend": None}
    dots = layer(ranked, mark, x=across, y=up, color=colour, size=size)
    crosses = layer(
        gone, mark | {"shape": "cross", "angle": 45, "size": 45, "clip": False}, x=across, y=up, color=colour
    )
    heading = {"text": title, "fontSize": 13, "fontWeight": "normal", "anchor": "start", "offset": 8}
    return {"width": WIDTH, "height": HEIGHT, "title": heading, "layer": [thread, dots, *([crosses] if gone else [])]}


def _title(found: Collapse) -> str:
    count = len(found.rows)
    if found.exact() or found.spread() < 1e-3:
        return f"{found.title}: {count} trainings over α and {found.letter}, one curve over {found.group}"
    return f"{found.title}: over {found.group} the trainings do not fall onto one curve"


def _explain(found: Collapse) -> list[str]:
    spread, groups = found.spread(), len(found.together())
    if found.exact():
        same = "with the same weights, bit for bit"
    elif found.same_weights():
        same = "with the same weights, but for rounding"
    else:
        same = f"with final losses within {spell_share(spread)}" if spread < 1 else "differently"
    reused = sum(bool(row.reused) for row in found.rows)
    told = f"; {reused} were taken over from their equals, not run" if reused else ""
    lines = [f"{len(found.rows)} settings have {groups} values of {found.group}. Equal ones end {same}{told}."]
    if found.held:
        moving = " and ".join(quantities.letter(name) for name, _ in found.held)
        groups_held = " and ".join(quantities.spell_group(name, power) for name, power in found.held)
        lines.append(f"{moving} moves with α so that {groups_held} stays.")
    if any(not finite(row) for row in found.rows):
        lines.append("Crosses at the upper edge: diverged.")
    return lines

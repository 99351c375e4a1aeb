"""The table of known laws in the terminal."""

from collections.abc import Mapping
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from lossgauge.laws.spelling import spell_power
from lossgauge.reports.layout import make_table, name_verdict, stack, write_paragraph
from lossgauge.units.rational import rational


def render_laws(plain: Mapping[str, Any]) -> RenderableType:
    """The report for a person.

    Args:
        plain: `{"rows": [...]}` as in `table.json`.

    Returns:
        Something rich can print at 80 columns.
    """
    table = make_table(("law of", "with the loss multiplied by α, set", "verdict"))
    for row in plain["rows"]:
        _add(table, row["law"]["target"].rpartition(":")[2], row["law"])
        for variant in row["variants"]:
            when = ", ".join(f"{name}={value}" for name, value in variant["when"].items())
            _add(table, f"  {when}", variant["law"])
    note = "What is not named stays as it is. `lossgauge explain NAME --alpha 1e5` does the sums for your numbers."
    return stack(table, write_paragraph(note, style="dim"))


def say_law(law: Mapping[str, Any]) -> str:
    """The exponents of a law in one line.

    Args:
        law: The law as plain data.

    Returns:
        Text such as `lr/α  weight_decay·α`; quantities that follow another one are named after it.
    """
    texts: list[str] = []
    for name, power in law["exponents"].items():
        exponent = rational(power)
        if exponent:
            texts.append(
                f"{name}/{spell_power('α', -exponent)}" if exponent < 0 else f"{name}·{spell_power('α', exponent)}"
            )
    texts += [f"{name} like {other}" for name, other in law.get("follows", {}).items()]
    missing = {name for clash in law["clashes"] for name in clash["hyperparameters"]} - set(law["exponents"])
    texts += [f"no unit for {', '.join(sorted(missing))}"] if missing else []
    return "  ".join(texts) or "nothing"


def _add(table: Any, label: str, law: Mapping[str, Any]) -> None:
    text = say_law(law)
    table.add_row(Text(label), Text(text, style="dim" if text == "nothing" else ""), name_verdict(law["verdict"]))

"""A discovery in the terminal: the verdict, the law as a table, then what each of the three ways said."""

from collections.abc import Mapping
from typing import Any

from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from lossgauge.laws.spelling import spell_power, spell_value
from lossgauge.laws.verdict import Verdict
from lossgauge.reports.layout import head, label_lines, make_table, shorten_place, stack, write_paragraph
from lossgauge.units.rational import rational

LONGEST = 4
"""Contradictions and differences shown; the JSON document has all of them."""


def render_discovery(plain: Mapping[str, Any]) -> RenderableType:
    """The report for a person.

    Args:
        plain: The record as `Discovery.to_dict` gives it.

    Returns:
        Something rich can print at 80 columns.
    """
    parts: list[RenderableType] = [head(plain["optimizer"], plain["verdict"])]
    parts.append(write_paragraph(plain.get("advice") or _say_law(plain), style="bold"))
    if plain["exponents"]:
        parts.append(Padding(_tabulate(plain), (0, 0, 0, 2)))
    constants = [f"{spell_value(c['value'])} at {shorten_place(c['where'])}" for c in plain["hidden_constants"]]
    lines = [("constant", text) for text in constants]
    parts.append(label_lines(lines + _tell_evidence(plain["evidence"])))
    rest = [("disagreement", text) for text in plain.get("disagreements", ())]
    rest += [("note", text) for text in plain.get("notes", ())]
    return stack(*parts, label_lines(rest)) if rest else stack(*parts)


def _say_law(plain: Mapping[str, Any]) -> str:
    carriers = {h: power for h, power in plain["exponents"].items() if power != "0"}
    if plain["verdict"] == Verdict.BROKEN:
        return "No exponents make the training with another loss multiplier the same."
    if plain["verdict"] == Verdict.UNDECIDED:
        return "The law could not be established."
    if not carriers:
        return "With the loss multiplied by α nothing changes: no setting carries a unit of the loss."
    changes = ", ".join(f"{h}·{spell_power('α', rational(power))}" for h, power in carriers.items())
    return f"With the loss multiplied by α, this trains the same: {changes}; the rest stays."


def _tabulate(plain: Mapping[str, Any]) -> Table:
    """Settings with their exponents beside what was derived and estimated; states below them."""
    infer, probe = (plain["evidence"].get(way) or {} for way in ("infer", "probe"))
    derived, estimated = infer.get("dimensions") or plain.get("dimensions") or {}, probe.get("exponents") or {}
    table = make_table(("setting", "exponent", "derived unit", "estimated", "value"), numbers=(1,))
    for name, power in plain["exponents"].items():
        weight = "bold" if power != "0" else "dim"
        about = str(estimated.get(name, "")) if name not in plain["inert"] else "no influence"
        value = spell_value(plain["settings"].get(name)) if name in plain["settings"] else ""
        table.add_row(name, Text(power, style=weight), str(derived.get(name, "")), about, value)
    for name in [h for h in plain["inert"] if h not in plain["exponents"]]:
        table.add_row(name, "", "", "no influence", spell_value(plain["settings"].get(name)))
    for name, power in plain.get("states", {}).items():
        table.add_row(Text(f"state {name}", style="italic"), power, "", "", "")
    return table


def _tell_evidence(evidence: Mapping[str, Any]) -> list[tuple[str, str]]:
    infer, probe, certify = (evidence.get(way) or {} for way in ("infer", "probe", "certify"))
    return [*_tell_infer(infer), *_tell_probe(probe), *_tell_certify(certify)]


def _tell_infer(infer: Mapping[str, Any]) -> list[tuple[str, str]]:
    if not infer:
        return []
    unknown = infer.get("unknown_operations") or ()
    shown = list(infer.get("contradictions") or ())
    bare = list(infer.get("hidden_constants") or ())
    agreed = infer.get("derived") and not shown and not bare
    lines = [("derived", "yes: every line of the code agrees")] if agreed else []
    for constant in bare[:LONGEST]:
        lines.append(("derived", f"{shorten_place(constant['where'])} gives a bare number the unit {constant['unit']}"))
        lines += [("derived", f"    {constant['code'].strip()}")] if constant.get("code") else []
    if unknown:
        lines.append(("derived", f"no: cannot follow {', '.join(map(str, unknown[:LONGEST]))}"))
    for clash in shown[:LONGEST]:
        lines.append(("derived", f"{shorten_place(clash['where'])} needs {clash['left']} = {clash['right']}"))
        lines += [("derived", f"    {clash['code'].strip()}")] if clash.get("code") else []
        for other in list(clash.get("others", ()))[:1]:
            lines.append(("derived", f"but {shorten_place(other['where'])} needs {other['left']} = {other['right']}"))
            lines += [("derived", f"    {other['code'].strip()}")] if other.get("code") else []
    if len(shown) > LONGEST:
        lines.append(("derived", f"and {len(shown) - LONGEST} more contradictions"))
    return lines or [("derived", "no")]


def _tell_probe(probe: Mapping[str, Any]) -> list[tuple[str, str]]:
    residual = probe.get("residual")
    if residual is None:
        return [("estimated", "no")] if probe else []
    said = "a law exists" if residual <= 1e-6 else "no law" if residual >= 1e-3 else "not clear"
    condition = probe.get("condition")
    tail = f", condition {spell_value(float(format(condition, '.2g')))}" if condition else ""
    return [("estimated", f"residual {spell_value(float(format(residual, '.2g')))} ({said}){tail}")]


def _tell_certify(certify: Mapping[str, Any]) -> list[tuple[str, str]]:
    if not certify:
        return []
    at = ", ".join(map(_name_alpha, certify.get("alphas") or [certify.get("alpha")]))
    if certify.get("bitwise"):
        lines = [("certified", f"equal bit for bit at α = {at}")]
    else:
        lines = [("certified", f"not equal at α = {at}, first at {say_difference(certify.get('first_difference'))}")]
    caught = certify.get("violations_caught") or ()
    return [*lines, *([("certified", f"planted errors caught in {', '.join(caught)}")] if caught else [])]


def say_difference(first: Mapping[str, Any] | None) -> str:
    """The first difference between two runs.

    Args:
        first: Step, tensor and distance in ulps, or None.

    Returns:
        Text such as `step 3 in w0, 12 ulps`.
    """
    if not first:
        return "a place that was not recorded"
    tensor = f" in {first['tensor']}" if first.get("tensor") else ""
    ulps = first.get("ulps")
    return f"step {first['step']}{tensor}" + ("" if ulps is None else f", {ulps} ulps")


def _name_alpha(alpha: Any) -> str:
    return alpha if isinstance(alpha, str) else spell_value(alpha)

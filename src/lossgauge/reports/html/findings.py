"""The answer and the findings as HTML that needs no script."""

from collections.abc import Mapping, Sequence
from typing import Any

from lossgauge.records.session import Session, Trial
from lossgauge.reports.evidence import SYMBOLS, choose_numbers, say_trial
from lossgauge.reports.html.chart import Chart
from lossgauge.reports.html.markup import Markup, join, table, tag
from lossgauge.reports.html.trials import draw_trial, say_treatment, say_trial_result

EVERYTHING = 40
"""Numbers of a finding's evidence that are shown at all."""


def write_findings(plain: Mapping[str, Any], session: Session, charts: list[Chart]) -> Markup:
    """Every finding with what it rests on and what to do.

    Args:
        plain: `Diagnosis.to_dict()`.
        session: Its trials belong to findings by their code.
        charts: The curves of the trials are added here.

    Returns:
        The section's content.
    """
    findings = list(plain["findings"])
    if not findings:
        return tag("p", "Nothing was found.")
    articles: list[Markup] = []
    seen: set[str] = set()
    for finding in findings:
        trials = [] if finding["code"] in seen else [t for t in session.trials if t.code == finding["code"]]
        seen.add(finding["code"])
        articles.append(_write_finding(finding, _write_trials(trials, charts)))
    return join(articles)


def _write_finding(finding: Mapping[str, Any], trials: Markup | None) -> Markup:
    severity = str(finding["severity"])
    known = severity if severity in SYMBOLS else "info"
    heading = tag(
        "h3",
        tag("span", f"{SYMBOLS[known]} {severity}", class_=f"badge {known}"),
        " ",
        finding["name"],
        " ",
        tag("span", finding["code"], class_="code"),
    )
    evidence = choose_numbers(finding.get("evidence", {}), EVERYTHING)
    facts = [("where", finding.get("where", "")), *(evidence[:3])]
    return tag(
        "article",
        heading,
        tag("p", finding["message"]),
        _list_facts([(name, value) for name, value in facts if value]),
        _write_remedy(finding["remedy"]),
        trials,
        _hide_rest(evidence[3:]),
        class_=f"finding {known}",
    )


def _list_facts(facts: Sequence[tuple[str, str]]) -> Markup | None:
    pairs = [tag("div", tag("dt", name), tag("dd", value)) for name, value in facts]
    return tag("dl", *pairs, class_="facts") if pairs else None


def _hide_rest(evidence: Sequence[tuple[str, str]]) -> Markup | None:
    if not evidence:
        return None
    return tag("details", tag("summary", "all numbers"), table(("number", "value"), evidence))


def _write_remedy(remedy: Mapping[str, Any]) -> Markup | None:
    if not remedy.get("text"):
        return None
    style = {True: "helped", False: "failed", None: "untried"}[remedy.get("verified")]
    return tag("p", tag("b", "Remedy: "), remedy["text"], " ", tag("span", say_trial(remedy), class_=f"trial {style}"),
               class_="remedy")  # fmt: skip


def _write_trials(trials: Sequence[Trial], charts: list[Chart]) -> Markup | None:
    if not trials:
        return None
    return tag("div", *(_write_trial(trial, charts) for trial in trials), class_="trials")


def _write_trial(trial: Trial, charts: list[Chart]) -> Markup:
    style, word = ("helped", "✓") if trial.helped else ("failed", "✗")
    note = f" ({trial.note})" if trial.note and trial.before is not None else ""
    caption = tag("figcaption", tag("span", word, class_=f"trial {style}"), f" {say_treatment(trial)}: ",
                  f"{say_trial_result(trial)}{note}")  # fmt: skip
    chart = draw_trial(trial, len(charts))
    if chart is None:
        return tag("figure", caption)
    charts.append(chart)
    return tag("figure", caption, tag("div", class_="chart small", id=chart.name))

"""The report as one HTML file that needs nothing else: no server, no network."""

import os
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from lossgauge.errors import InputError
from lossgauge.records.diagnosis import Diagnosis
from lossgauge.records.session import Session
from lossgauge.reports.evidence import count_severities
from lossgauge.reports.gauges import tell_gauges
from lossgauge.reports.html.chart import Chart
from lossgauge.reports.html.course import draw_course
from lossgauge.reports.html.elasticity import draw_elasticity
from lossgauge.reports.html.findings import write_findings
from lossgauge.reports.html.histograms import draw_histograms
from lossgauge.reports.html.libraries import bundle_libraries, load_converter
from lossgauge.reports.html.markup import Markup, embed_data, join, tag
from lossgauge.reports.html.session_table import write_observed, write_session_table
from lossgauge.reports.html.terms import draw_terms
from lossgauge.reports.html.updates import draw_updates
from lossgauge.reports.html.window import draw_window
from lossgauge.reports.windows import read_windows

POLICY = "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; img-src data: blob:"
"""What the browser may do with the page; above all, no request. Vega turns its expressions into functions (eval)."""


GENERATOR = '<meta name="generator" content="lossgauge">'
"""By which a report is known as one."""


def write_report(session: Session, diagnosis: Diagnosis, path: str | Path) -> None:
    """Write the report.

    Args:
        session: What was seen.
        diagnosis: What follows from it.
        path: The file; a report that was there is replaced.

    Raises:
        InputError: When the extra `pictures` is not installed, or the file is something else or cannot be written.
    """
    check_place(path)
    page = compose_page(session, diagnosis.to_dict(), bundle_libraries())
    try:
        Path(path).write_text(page, encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"the report cannot be written to {str(path)!r}: {error.strerror}; choose a folder you may write to"
        ) from error


def check_place(path: str | Path) -> None:
    """Find out, before hours of training, whether a report can be written at all.

    Args:
        path: Where it is to be.

    Raises:
        InputError: When it cannot be written, is there and is no report, or the extra `pictures` is not installed.
    """
    load_converter()
    place = Path(path).absolute()
    if place.is_dir() or not os.access(place if place.exists() else place.parent, os.W_OK):
        raise InputError(f"the report cannot be written to {str(path)!r}; choose a file in a folder you may write to")
    if not place.is_file() or not place.stat().st_size:
        return
    with place.open("rb") as file:
        ours = GENERATOR.encode() in file.read(2000)
    if not ours:
        raise InputError(f"{str(path)!r} exists and is no report; choose another name, or remove it first")


def compose_page(session: Session, plain: Mapping[str, Any], libraries: str) -> str:
    """The report's text.

    Args:
        session: What was seen.
        plain: `Diagnosis.to_dict()`.
        libraries: JavaScript that sets `window.vegaEmbed`.

    Returns:
        A whole HTML document.
    """
    small: list[Chart] = []
    findings = write_findings(plain, session, small)
    window = draw_window(session, read_windows(plain))
    courses = [draw_elasticity(session), draw_updates(session), draw_course(session)]
    sizes, terms = draw_histograms(session), draw_terms(session)
    charts = [chart for chart in (window, *courses, *sizes, terms, *small) if chart is not None]
    body = join(
        [
            _write_head(plain),
            *(_write_chart(chart) for chart in [window] if chart),
            tag("section", tag("h2", "Findings"), findings),
            *(_write_chart(chart) for chart in courses if chart),
            _write_sizes(sizes),
            *(_write_chart(chart) for chart in [terms] if chart),
            tag("section", tag("h2", "What was observed"), write_observed(plain, session)),
            tag("details", tag("summary", "The session in tables"), write_session_table(session), class_="tables"),
        ]
    )
    return _write_document(str(plain.get("script") or "training"), body, charts, libraries)


def _write_head(plain: Mapping[str, Any]) -> Markup:
    findings = list(plain["findings"])
    answer = plain.get("answer") or (findings[0]["message"] if findings else "Nothing was found.")
    gauges = [tag("div", tag("dt", name), tag("dd", text)) for name, text in tell_gauges(plain.get("gauges", {}))]
    told = f"{plain.get('script') or 'training'} · {plain['steps']} steps · {count_severities(findings)}"
    worst = str(findings[0]["severity"]) if findings else "healthy"
    return tag(
        "header",
        tag("p", told, class_="about"),
        tag("h1", answer, class_=worst if worst in ("fault", "warning") else "healthy"),
        tag("dl", *gauges, class_="facts") if gauges else None,
        tag("noscript", tag("p", "The charts below need JavaScript; the words and tables do not.")),
    )


def _write_chart(chart: Chart) -> Markup:
    return tag(
        "section",
        tag("h2", chart.title),
        tag("p", chart.caption, class_="caption") if chart.caption else None,
        _write_legend(chart.legend),
        tag("div", class_="chart", id=chart.name, role="img", aria_label=chart.title),
    )


def _write_legend(legend: Sequence[tuple[str, str]]) -> Markup | None:
    entries = [tag("span", tag("i", style=f"background:{colour}"), text) for colour, text in legend]
    return tag("p", *entries, class_="legend") if entries else None


def _write_sizes(charts: Sequence[Chart]) -> Markup | None:
    """The heatmaps share one list to choose a tensor from."""
    if not charts:
        return None
    names = list(dict.fromkeys(name for chart in charts for name in chart.choices))
    chooser = tag("select", *(tag("option", name, value=name) for name in names), id="tensor")
    caption = (
        "How the sizes of the elements are spread, power of two by power of two: the darker, the more of them. The "
        "line is the median; orange at the foot is the share that is exactly zero."
    )
    figures = [
        tag("figure", tag("figcaption", chart.title), tag("div", class_="chart", id=chart.name)) for chart in charts
    ]
    return tag(
        "section",
        tag("h2", "Sizes of gradients, second moments and updates"),
        tag("p", caption, class_="caption"),
        tag("p", tag("label", "tensor ", chooser)),
        *figures,
    )


def _write_document(title: str, body: Markup, charts: Iterable[Chart], libraries: str) -> str:
    folder = files("lossgauge.reports.html")
    style, script = ((folder / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    drawn = [{"id": chart.name, "spec": chart.spec, "choices": chart.choices} for chart in charts]
    head = join(
        [
            Markup('<meta charset="utf-8">'),
            Markup(GENERATOR),
            Markup(f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'),
            Markup('<meta name="viewport" content="width=device-width, initial-scale=1">'),
            Markup('<meta name="color-scheme" content="light dark">'),
            Markup('<link rel="icon" href="data:,">'),
            tag("title", f"lossgauge: {title}"),
            tag("style", Markup(style)),
        ]
    )
    scripts = join([embed_data(drawn, "charts"), tag("script", Markup(f"(function(){{{libraries}\n}})();")),
                    tag("script", Markup(script))])  # fmt: skip
    return f'<!DOCTYPE html>\n<html lang="en">{tag("head", head)}{tag("body", tag("main", body), scripts)}</html>\n'

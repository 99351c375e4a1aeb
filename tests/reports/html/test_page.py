"""The page as a whole: one file, no requests, nothing a name can break, all charts drawn."""

import json
import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from lossgauge.errors import InputError
from lossgauge.records.diagnosis import Diagnosis
from lossgauge.records.session import Session
from lossgauge.reports.html import write_report
from lossgauge.reports.html.page import POLICY, compose_page
from tests.reports.html.browser import open_page
from tests.reports.sessions import CASES, HOSTILE, Case, eps_dominated, healthy, hostile

LIBRARIES = "/* libraries */"
LARGEST = 2_500_000


class Reader(HTMLParser):
    """Collects what the tests ask for: elements, attributes that load something, and the text outside of scripts."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.loaded: list[str] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(page)
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.loaded += [value or "" for name, value in attrs if name in ("src", "href", "action", "data", "srcset")]
        self.loaded += [name for name, _ in attrs if name.startswith("on")]
        if tag not in ("meta", "link", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, "elements are closed in order"

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("script", "style", "title"):
            self.words.append(data)


def compose(case: Case) -> str:
    return compose_page(case[0], case[1].to_dict(), LIBRARIES)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_it_is_well_formed_and_loads_nothing(case: Any):
    reader = Reader(compose(case()))
    assert reader.open == []
    assert reader.loaded == ["data:,"], "the empty icon is all there is"
    assert reader.elements.count("script") == 3
    assert not set(reader.elements) & {"img", "iframe", "object", "form"}


def test_words_come_in_the_promised_order_and_without_script():
    text = Reader(compose(eps_dominated())).text
    places = [text.index(part) for part in (
        "ε decides the step of nearly all weights", "How far the loss may be multiplied", "Findings", "eps-dominates",
        "set eps=1e-13", "How much of a multiplied loss reaches", "How far a step moves the weights", "The loss",
        "Sizes of gradients", "What was observed", "The session in tables", "python",
    )]  # fmt: skip
    assert places == sorted(places)
    assert "✓ tried: loss 9.75e-7 → 3.55e-9" in text
    assert "JavaScript" in text


def test_hostile_names_stay_text():
    page = compose(hostile())
    reader = Reader(page)
    assert "alert" in reader.text
    assert "<img" not in page
    charts = re.findall(r'<script type="application/json" id="charts">(.*?)</script>', page)
    assert len(charts) == 1
    assert HOSTILE[0][:9] in json.dumps(json.loads(charts[0]))


def test_an_empty_session_is_a_page_too():
    text = Reader(compose((Session(), Diagnosis("", 0, ())))).text
    assert "Nothing was found" in text
    assert "the record breaks off" in text


def test_everything_about_the_session_can_be_read():
    text = Reader(compose(CASES["clipped"]())).text
    for said in ("EXACT: lr -1, weight_decay 1", "momentum 0.9", "32×32", "the training interrupted: SIGINT",
                 "no remedy was tried", "optimizer 1 was not observed", "784"):  # fmt: skip
        assert said in text


def test_a_missing_converter_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from lossgauge.reports.html.libraries import bundle_libraries

    bundle_libraries.cache_clear()
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    with pytest.raises(InputError, match=r"pip install 'lossgauge\[pictures\]'") as caught:
        write_report(*healthy(), tmp_path / "report.html")
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_one_clear_line(tmp_path: Path):
    pytest.importorskip("vl_convert")
    with pytest.raises(InputError, match="cannot be written"):
        write_report(*healthy(), tmp_path / "missing" / "report.html")


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_browser_draws_it_without_a_complaint(case: Any, tmp_path: Path):
    pytest.importorskip("vl_convert")
    path = tmp_path / "report.html"
    session, diagnosis = case()
    write_report(session, diagnosis, path)
    assert path.stat().st_size < LARGEST
    document, complaints = open_page(path)
    assert complaints == []
    assert 'data-drawn="yes"' in document
    assert 'class="message"' not in document
    places = len(re.findall(r'<div class="chart[ "]', document))
    assert places == len(re.findall(r'<svg[^>]*class="marks"', document)) >= 6


def test_the_browser_would_complain(tmp_path: Path):
    """The check above can fail: a request and an error are both seen."""
    page = tmp_path / "planted.html"
    policy = f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
    page.write_text(f'<html>{policy}<img src="https://example.invalid/x.png"><script>null.x</script></html>')
    complaints = open_page(page)[1]
    assert any("example.invalid" in line for line in complaints)
    assert any("TypeError" in line for line in complaints)

import json
import math

import pytest

from lossgauge.reports.html.markup import Markup, embed_data, join, table, tag
from tests.reports.sessions import HOSTILE


def test_text_is_escaped_and_markup_is_not():
    assert tag("p", "a < b & c", tag("b", "d")) == "<p>a &lt; b &amp; c<b>d</b></p>"
    assert join(["<", Markup("<br>"), None]) == "&lt;<br>"


def test_attributes():
    written = tag("div", class_="a", aria_label='"x"', hidden=True, title=None, open=False)
    assert written == '<div class="a" aria-label="&quot;x&quot;" hidden></div>'


def test_a_table():
    written = table(("a<b",), [("1",), (tag("b", "2"),)])
    assert '<th scope="col">a&lt;b</th>' in written
    assert "<td>1</td>" in written
    assert "<td><b>2</b></td>" in written


@pytest.mark.parametrize("text", HOSTILE)
def test_data_cannot_leave_their_element(text: str):
    written = embed_data({text: [text]}, "charts")
    inside = written.removeprefix('<script type="application/json" id="charts">').removesuffix("</script>")
    assert not set("<>&\u2028\u2029") & set(inside)
    assert json.loads(inside) == {text: [text]}


def test_numbers_are_short_and_finite():
    written = embed_data([1 / 3, math.nan, math.inf, 7, (1.0, True)], "x")
    assert ">[0.333333,null,null,7,[1.0,true]]<" in written

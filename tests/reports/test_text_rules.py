from rich.cells import cell_len

from lossgauge.diagnosis.rulebook import RULES, find_rule
from lossgauge.reports.text_rules import HEADINGS, PAGE, list_rule, open_rule, render_rule, render_rules
from tests.reports.test_text_explain import show


def test_the_list_has_every_rule_under_its_heading():
    shown = show(render_rules({"rules": [list_rule(rule) for rule in RULES]}))
    parts = shown.split(HEADINGS["not scale"])
    assert HEADINGS["scale"] in parts[0]
    for rule in RULES:
        part = parts[rule.group != "scale"]
        assert sum(line.split()[:2] == [rule.code, rule.name] for line in part.splitlines()) == 1
    assert max(map(cell_len, shown.splitlines())) <= 80


def test_a_heading_without_rules_is_left_out():
    shown = show(render_rules({"rules": [list_rule(rule) for rule in RULES if rule.group == "scale"]}))
    assert HEADINGS["not scale"] not in shown


def test_the_page_of_a_rule():
    for rule in RULES:
        plain = open_rule(rule)
        words = " ".join(show(render_rule(plain)).split())
        assert words.startswith(f"{rule.name} {rule.code}")
        assert max(map(cell_len, show(render_rule(plain)).splitlines())) <= 80
        assert all(label in words for part, label in PAGE.items() if plain[part])


def test_an_empty_part_has_no_label():
    plain = open_rule(find_rule("eps-dominates"))
    assert "source" in show(render_rule(plain))
    assert "source" not in show(render_rule({**plain, "source": ""}))


def test_a_title_becomes_a_sentence():
    shown = show(render_rule(open_rule(find_rule("LG001"))))
    assert shown.splitlines()[2].startswith("  Epsilon is larger than √v̂")
    assert "  g² overflowed" in show(render_rule(open_rule(find_rule("second-moment-overflow"))))

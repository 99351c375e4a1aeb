"""Who feels α."""

from dataclasses import replace

from lossgauge.records.sweep import SweepRow
from lossgauge.reports.sweeping.feelings import find_feelings
from lossgauge.reports.sweeping.overview import calm, draw_overview, say_range, untouched
from tests.reports.sweeping.samples import ADAM, ALPHAS, adam, adam_epsilon, known, sgd, sweep_row


def decayed() -> list[SweepRow]:
    """Adam with coupled weight decay, which is too strong where α is small."""
    return [sweep_row(ADAM, a, float(min(a, 0)), lr=1.0, eps=2.0**-30, weight_decay=0.5) for a in ALPHAS]


def heading(rows: list[SweepRow]) -> tuple[str, ...]:
    spec = draw_overview(known(rows))
    assert spec is not None
    return tuple(" ".join(spec["title"][part]).replace("\u00a0", " ") for part in ("text", "subtitle"))


def test_the_title_says_who_feels_alpha():
    assert heading([*sgd(), *adam()])[0] == "SGD feels the loss multiplier; Adam does not"
    rows = [*sgd(), *adam_epsilon([-4])]
    assert heading(rows)[0] == "SGD and Adam feel the loss multiplier"
    assert heading([*sgd(), *adam_epsilon([-11])])[0].endswith("Adam does not from α = 2⁻³ on")


def test_a_sweep_in_which_nobody_feels_it_says_so():
    other = [replace(row, setting=replace(row.setting, optimizer="torch.optim:NAdam")) for row in adam()]
    assert heading([*adam(), *other])[0] == "Who feels the loss multiplier? Adam and NAdam do not"


def test_weight_decay_has_a_panel_of_its_own():
    more = [replace(row, setting=replace(row.setting, optimizer="torch.optim:NAdam")) for row in decayed()]
    rows = [*sgd(), *adam(), *decayed(), *more]
    assert list(untouched(known(rows))) == ["without weight decay", "with weight decay"]
    title, rest = heading(rows)
    assert title == "SGD feels the loss multiplier; Adam does not"
    assert "With weight decay: Adam and NAdam do not from α = 1 on." in rest


def test_one_curve_with_weight_decay_and_one_without_are_shown_together():
    spec = draw_overview(known([*sgd(), *decayed()]))
    assert spec is not None
    (panel,) = spec["hconcat"]
    assert panel["title"]["text"] == ""
    assert heading([*sgd(), *decayed()])[0] == "SGD feels the loss multiplier; Adam does not from α = 1 on"
    assert len(draw_overview(known([*sgd(), *adam(), *decayed()]))["hconcat"]) == 2  # type: ignore[index]


def test_the_range_around_one_ends_where_the_loss_changes():
    cut = untouched(known(adam_epsilon([-11])))["without weight decay"]["Adam"]
    assert calm(cut) == (-3, 6)
    assert calm(cut, factor=100) == (-6, 6)
    hole = [row._replace(outcome=row.outcome.__class__("diverged", float("nan"))) if number == 8 else row
            for number, row in enumerate(cut)]  # fmt: skip
    assert calm(hole) == (-3, 1)


def test_ranges_in_words():
    alphas = [float(power) for power in range(-6, 7)]
    assert say_range(-6, 6, alphas) == ""
    assert say_range(-3, 6, alphas) == " from α\u00a0=\u00a02⁻³ on"
    assert say_range(-6, 2, alphas) == " up to α\u00a0=\u00a02²"
    assert say_range(-3, 2, alphas) == " from α\u00a0=\u00a02⁻³ to 2²"


def test_feelings_are_the_numbers_behind_the_picture():
    by_name = {(one.name, one.weight_decay): one for one in find_feelings([*sgd(), *adam(), *decayed()])}
    assert set(by_name) == {("SGD", 0.0), ("Adam", 0.0), ("Adam", 0.5)}
    assert by_name["SGD", 0.0].groups == ("lr·α",)
    assert by_name["SGD", 0.0].diverges == 4
    assert by_name["SGD", 0.0].low == by_name["SGD", 0.0].high == 0
    assert (by_name["Adam", 0.0].low, by_name["Adam", 0.0].high) == (-6, 6)
    assert by_name["Adam", 0.5].groups == ("ε/α", "λ/α")
    assert by_name["Adam", 0.5].low == 0
    assert by_name["Adam", 0.5].diverges is None


def test_a_single_optimizer_is_no_comparison():
    assert draw_overview(known(sgd())) is None
    assert draw_overview(known([*adam(), *decayed()])) is not None, "with weight decay and without is one"
    assert draw_overview([]) is None

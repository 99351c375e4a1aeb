import itertools
import math
from collections import Counter
from fractions import Fraction

from lossgauge.experiments.sweeping.lookup import LawLookup
from lossgauge.experiments.sweeping.reuse import BITS, ROUNDING, share_runs
from lossgauge.records.sweep import Plan, Setting
from tests.experiments.sweeping.sweeps import WORKLOAD, sgd_plan, share, table_law


def test_one_run_stands_for_each_orbit_and_it_is_the_one_nearest_to_one():
    plan = sgd_plan(alphas=range(-3, 4), rates=range(-6, -2))
    shares = share(plan)
    assert [one.number for one in shares] == list(range(len(plan.settings)))
    assert sum(one.number == one.run for one in shares) == len({a + r for a in range(-3, 4) for r in range(-6, -2)})
    for one in shares:
        setting, standing = plan.settings[one.number], plan.settings[one.run]
        assert shares[one.run].run == one.run
        assert one.kind == ("" if one.number == one.run else BITS)
        assert _group(setting) == _group(standing)
        orbit = [plan.settings[other.number] for other in shares if other.run == one.run]
        assert _distance(standing) == min(map(_distance, orbit))


def _group(setting: Setting) -> float:
    rate = setting.hyperparameters["lr"]
    assert isinstance(rate, float)
    return float(setting.alpha) * rate


def _distance(setting: Setting) -> float:
    return abs(math.log2(setting.alpha))


def test_a_grid_of_nine_to_the_fourth_runs_no_more_than_its_dimensionless_groups():
    span = range(9)
    settings = tuple(
        Setting(
            "torch.optim:Adam",
            {"lr": 2.0 ** (r - 12), "eps": 2.0 ** (e - 30), "weight_decay": 2.0 ** (w - 14)},
            Fraction(2) ** (a - 4),
        )
        for a, r, e, w in itertools.product(span, repeat=4)
    )
    plan = Plan(WORKLOAD, settings, ("Adam",) * len(settings))
    shares = share(plan)
    groups = {(r, e - a, w - a) for a, r, e, w in itertools.product(span, repeat=4)}
    assert len(settings) == 6561
    assert len({one.run for one in shares}) == len(groups) == 1953
    # The groups agree one to one, not only in number.
    found: dict[tuple[int, int, int], set[int]] = {}
    for one, (a, r, e, w) in zip(shares, itertools.product(span, repeat=4), strict=True):
        found.setdefault((r, e - a, w - a), set()).add(one.run)
    assert all(len(runs) == 1 for runs in found.values())
    assert Counter(one.kind for one in shares) == {"": 1953, BITS: 6561 - 1953}


def test_multipliers_that_are_no_powers_of_two_are_reused_to_rounding_or_run():
    tens = [Fraction(1), Fraction(10), Fraction(100)]
    settings = [Setting("torch.optim:SGD", {"lr": lr}, alpha) for alpha in tens for lr in (1e-1, 1e-2, 1e-3)]
    plan = Plan(WORKLOAD, tuple(settings), ("SGD",) * 9)
    assert Counter(one.kind for one in share(plan)) == {"": 5, ROUNDING: 4}
    assert Counter(one.kind for one in share(plan, rounding=False)) == {"": 9}


def test_seeds_and_formats_are_never_mixed():
    plan = sgd_plan(seeds=2, precisions=("float32", "float64"))
    for one in share(plan):
        setting, standing = plan.settings[one.number], plan.settings[one.run]
        assert (setting.seed, setting.precision) == (standing.seed, standing.precision)
    assert len({one.key for one in share(plan)}) == 4 * len({one.key for one in share(sgd_plan())})


def test_where_the_symmetry_is_in_doubt_everything_is_run_unless_it_is_audited():
    plan = sgd_plan(precisions=("bfloat16",))
    assert all(one.run == one.number for one in share(plan))
    audited = share(plan, audited=True)
    assert {one.family.split()[0] for one in audited if one.kind} == {"below", "above"}
    assert all(not one.family for one in audited if not one.kind)
    for one in audited:
        if one.family:
            alpha, standing = plan.settings[one.number].alpha, plan.settings[one.run].alpha
            assert one.family == f"{'below' if alpha < standing else 'above'} {one.run}"
            assert sum(other.family == one.family for other in audited) > 1  # a trial of the only one saves nothing


def test_far_from_one_only_the_settings_within_reach_share_a_run():
    plan = sgd_plan(alphas=[0, 39, 41, 42], rates=[-61, -60, -22, -19])
    place = {
        (plan.settings[one.number].alpha, plan.settings[one.number].hyperparameters["lr"]): one for one in share(plan)
    }
    within, beyond = place[Fraction(2**39), 2.0**-61], place[Fraction(2**41), 2.0**-60]
    assert within.run == place[Fraction(1), 2.0**-22].number
    assert beyond.run == beyond.number  # although α = 1 with lr = 2^-19 has the same groups
    audited = share(plan, audited=True)[beyond.number]
    assert audited.run == place[Fraction(1), 2.0**-19].number
    assert audited.family == f"above {audited.run}"


def test_an_optimizer_without_a_law_runs_everything_and_says_why():
    settings = [Setting("torch.optim:RAdam", {"lr": 2.0**rate}, Fraction(2) ** a) for rate in (-3, -2) for a in (0, 1)]
    plan = Plan(WORKLOAD, tuple(settings), ("RAdam",) * 4)
    shares, obstacles = share_runs(plan, LawLookup(table_law), True, True)
    assert [one.run for one in shares] == [0, 1, 2, 3]
    assert "RAdam is BROKEN" in obstacles["RAdam"]


def test_defaults_count_as_given():
    """ε left to the constructor has a unit as well: it does not move with α."""
    adam = [Setting("torch.optim:Adam", {"lr": 0.1}, Fraction(2) ** power) for power in range(3)]
    said = [Setting("torch.optim:Adam", {"lr": 0.1, "eps": 1e-8}, Fraction(1))]
    plan = Plan(WORKLOAD, (*adam, *said), ("Adam",) * 4)
    assert [one.run for one in share(plan)] == [0, 1, 2, 0]

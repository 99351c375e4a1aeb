from fractions import Fraction

from lossgauge.experiments.sweeping.batches import LEAST, MOST, cut, prescribe, task_of
from lossgauge.records.sweep import Outcome, Plan, Setting
from tests.experiments.sweeping.sweeps import WORKLOAD, sgd_plan


def test_every_setting_is_in_one_batch_of_its_kind():
    plan = sgd_plan(seeds=20, precisions=("float32", "float64"))
    batches = cut(plan, "runs", range(len(plan.settings)), jobs=2)
    assert sorted(number for batch in batches for number in batch.numbers) == list(range(len(plan.settings)))
    for batch in batches:
        assert len({plan.settings[number].precision for number in batch.numbers}) == 1
        assert len(batch.numbers) <= MOST
    assert len({batch.key for batch in batches}) == len(batches)
    assert cut(plan, "runs", range(len(plan.settings)), jobs=2) == batches


def test_flags_are_apart_and_numbers_are_not():
    settings = [
        Setting("torch.optim:SGD", {"lr": lr, "momentum": 0.9, "nesterov": nesterov}, Fraction(1))
        for nesterov in (True, False)
        for lr in (0.1, 0.2)
    ]
    plan = Plan(WORKLOAD, tuple(settings), ("SGD",) * 4)
    assert [batch.numbers for batch in cut(plan, "runs", range(4), jobs=1)] == [(0, 1), (2, 3)]


def test_few_settings_are_not_cut_to_pieces_and_many_give_every_worker_two_tasks():
    plan = sgd_plan(seeds=6)
    assert len(cut(plan, "runs", range(LEAST), jobs=8)) == 1
    assert len(cut(plan, "runs", range(160), jobs=2)) == 4


def test_prescribed_tiers_keep_batches_apart_and_travel_with_the_task():
    plan = sgd_plan()
    done = {0: Outcome("finished", 0.0, engine="serial"), 1: Outcome("finished", 0.0, engine="stacked")}
    tiers = prescribe([4, 5, 6], {4: 0, 5: 1, 6: 0}, done)
    batches = cut(plan, "audit", [4, 5, 6], 2, tiers)
    assert {batch.tier: batch.numbers for batch in batches} == {"serial": (4, 6), "stacked": (5,)}
    task = task_of(plan, batches[0])
    assert (task.tier, task.settings) == ("serial", (plan.settings[4], plan.settings[6]))

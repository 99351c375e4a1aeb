import io
from dataclasses import replace

from rich.console import Console

from lossgauge.records.sweep import Workload
from lossgauge.records.sweep_summary import Best, Breach, Fallback, OptimizerSummary, SweepSummary
from lossgauge.reports.text_sweep import render_sweep

BEST = Best(3, 0.0458123, "1/256", "float32", {"lr": 0.00390625, "eps": 1e-6}, {"eps/α": 2.56e-4}, 4)
SGD = OptimizerSummary("SGD", "torch.optim:SGD", 15, 7, 7, 1, "EXACT", ("lr·α",), finished=12, diverged=3, best=BEST)
ADAM = OptimizerSummary("Adam", "torch.optim:Adam", 30, 30, 0, 0, "EXACT", ("eps/α",), finished=30, best=BEST)
RADAM = OptimizerSummary(
    "RAdam",
    "torch.optim:RAdam",
    30,
    30,
    0,
    0,
    "BROKEN",
    obstacle="the law of RAdam is BROKEN: torch/optim/radam.py:350 needs [lr] = W, but radam.py:358 needs W^2/L",
)
SUMMARY = SweepSummary(
    Workload("mlp-16-64-64-1", "mse", "regression", 100),
    75,
    67,
    8,
    "stacked, serial",
    "local",
    12.3,
    optimizers=(SGD, ADAM, RADAM),
    notes=("eps is left out for SGD, without such a setting",),
    audited=6,
    store="runs.db",
)


def shown(summary: SweepSummary) -> str:
    """What a person reads, lines joined."""
    output = io.StringIO()
    Console(file=output, width=80, highlight=False, markup=False).print(render_sweep(summary.to_dict()))
    assert all(len(line) <= 80 for line in output.getvalue().splitlines())
    return " ".join(output.getvalue().split())


def test_it_says_what_was_run_and_why_so_little():
    text = shown(SUMMARY)
    assert text.startswith("75 settings, 67 runs mlp-16-64-64-1 on regression, 100 steps each: 12 s (local processes")
    assert "SGD EXACT 15 7 7 1 3" in text
    assert "Adam EXACT 30 30 – – –" in text
    assert "SGD depends on α only through lr·α." in text
    assert "Adam depends" not in text  # nothing of it was reused
    assert "bit for bit where α differs by a power of two and to rounding elsewhere" in text
    assert "not reused RAdam: the law of RAdam is BROKEN" in text
    assert "note eps is left out for SGD" in text
    assert text.endswith("store runs.db")


def test_it_shows_where_the_best_settings_lie():
    text = shown(SUMMARY)
    assert "SGD 0.0458 α = 1/256 eps/α = 2.56e-4 4 lr = 0.00390625 eps = 1e-6" in text
    assert "RAdam – none finished" in text


def test_optimizers_with_the_same_groups_share_a_sentence():
    momentum = replace(SGD, label="momentum")
    adamw = replace(ADAM, label="AdamW", groups=(), bits=5)
    text = shown(replace(SUMMARY, optimizers=(SGD, momentum, adamw)))
    assert "SGD and momentum depend on α only through lr·α; AdamW depends on α not at all" in text


def test_an_audit_is_told_and_a_failed_one_cannot_be_overlooked():
    assert "Audit: 6 reused results run in full, all confirmed." in shown(SUMMARY)
    breach = Breach("SGD at α = 4", "SGD at α = 1", "bits", "the weights differ in their bits")
    text = shown(replace(SUMMARY, breaches=(breach,)))
    assert "THE AUDIT FAILED: 1 of 6" in text
    assert "not confirmed SGD at α = 4 against SGD at α = 1, promised bits: the weights differ" in text
    assert "udit" not in shown(replace(SUMMARY, audited=0))


def test_a_plan_says_that_nothing_was_run():
    plan = replace(
        SUMMARY, planned=True, engine="", executor="", seconds=4000.0, optimizers=(replace(ADAM, best=None),)
    )
    text = shown(plan)
    assert "about 67 min. Nothing was run." in text
    assert "best of" not in text


def test_failures_are_listed_and_times_are_short():
    text = shown(replace(SUMMARY, failed=2, failures=("RuntimeError: no memory",), trials=3, seconds=20_000.0))
    assert "failed RuntimeError: no memory" in text
    assert "and 3 more to settle what was in doubt: 5.6 h" in text
    assert ": 0.1 s" in shown(replace(SUMMARY, seconds=0.001))


def test_what_did_not_go_the_fastest_way_says_why():
    text = shown(replace(SUMMARY, fallbacks=(Fallback("serial", "the model: it draws random numbers", 1, ("Adam",)),)))
    assert "serial 1 run (Adam): the model: it draws random numbers" in text


def test_counts_are_spelled_and_long_times_have_units_of_their_own():
    one = replace(SUMMARY, settings=1, distinct_runs=1, workload=replace(SUMMARY.workload, steps=1))
    assert shown(one).startswith("1 setting, 1 run mlp-16-64-64-1 on regression, 1 step each: ")
    assert ": 6 days" in shown(replace(SUMMARY, seconds=6 * 86_400.0))
    assert ": 47.9 h" in shown(replace(SUMMARY, seconds=47.9 * 3600))
    assert ": 3 years" in shown(replace(SUMMARY, seconds=3 * 365.25 * 86_400))

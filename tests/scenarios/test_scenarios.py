"""Scenarios are what they say.

Here one scenario of every cause and all healthy ones are trained, which takes a minute; `python -m tests.scenarios
--verify` checks every statement about all of them, which takes some minutes.
"""

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from tests.house.source import imported, trees
from tests.scenarios.catalogue import CAUSES, FAMILIES, SCENARIOS
from tests.scenarios.command import main
from tests.scenarios.fingerprint import Weights
from tests.scenarios.scenario import Scenario, scenario
from tests.scenarios.verify import checks, outcome

HERE = Path(__file__).parent
FIRST_OF_CAUSE = {entry.cause: entry for entry in reversed(SCENARIOS.values()) if not entry.healthy}
HEALTHY = [name for name, entry in SCENARIOS.items() if entry.healthy]
LAWFUL = [entry.name for entry in FIRST_OF_CAUSE.values() if entry.lawful]
LAWFUL += [name for name in HEALTHY[::4] if SCENARIOS[name].lawful]
NOTHING_IS_TRAINED = {entry.name for entry in SCENARIOS.values() if entry.cause == "params-not-in-optimizer"}


@cache
def base(name: str) -> tuple[float, Weights]:
    """The metric of the scenario as it stands, and its last weights."""
    return outcome(SCENARIOS[name])


def planted(train, **statements) -> Scenario:
    """A scenario that is not in the registry: one below 0.1 is good, one above 0.5 is bad."""
    settings = dict(fix="none", ok_below=0.1, bad_above=0.5, alpha_helps=(), alpha_inert=(), also_bad=(), lawful=True)
    return Scenario("planted", "eps-dominates", train, **{**settings, **statements})


def broken(entry: Scenario) -> list[str]:
    return [check.what for check in checks(entry) if not check.holds]


@pytest.mark.parametrize("cause", FIRST_OF_CAUSE)
def test_the_fault_harms_and_the_remedy_cures(cause: str):
    entry = FIRST_OF_CAUSE[cause]
    assert entry.bad_above is not None
    assert entry.ok_below < entry.bad_above < base(entry.name)[0]
    assert entry.metric(fixed=True) < entry.ok_below


@pytest.mark.parametrize("name", HEALTHY)
def test_where_nothing_is_wrong_the_training_succeeds(name: str):
    assert base(name)[0] < SCENARIOS[name].ok_below


@pytest.mark.parametrize(
    ("name", "units"), [*((name, 2.0**10) for name in LAWFUL), *((name, 2.0**-10) for name in LAWFUL[::2])]
)
def test_other_units_are_the_same_training_bit_for_bit(name: str, units: float):
    assert outcome(SCENARIOS[name], units=units) == base(name)


@pytest.mark.parametrize("name", LAWFUL[::4])
def test_units_for_the_loss_alone_are_caught(name: str):
    """The planted violation: a factor on the loss, and epsilon, rates and thresholds as they were."""
    weights = outcome(SCENARIOS[name], alpha=2.0**-20)[1]
    assert (weights == base(name)[1]) == (name in NOTHING_IS_TRAINED)


def test_a_false_statement_is_caught():
    def train(fixed=False, alpha=1.0, units=1.0, lr=1.0):
        return 0.0 if fixed or alpha == 8 or lr == 2 else units

    true = planted(train, alpha_helps=(8.0,), alpha_inert=(4.0,), also_bad=({"lr": 3.0},), lawful=False)
    assert broken(true) == []
    false = planted(train, alpha_helps=(4.0,), alpha_inert=(8.0,), also_bad=({"lr": 2.0},))
    assert broken(false) == [
        "loss × 4 helps",
        "loss × 8 changes nothing",
        "{'lr': 2.0} does not help",
        "units × 1024 is the same training",
        "units × 0.000976562 is the same training",
    ]
    assert broken(planted(lambda **_: 0.3)) == ["faulty", "fixed"]


def test_epsilon_left_out_of_the_units_is_caught_where_the_metric_is_not():
    entry = SCENARIOS["ok_only_the_head_is_trained"]
    assert outcome(entry, alpha=2.0**10)[0] == base(entry.name)[0]
    assert outcome(entry, alpha=2.0**10) != base(entry.name)


def test_every_cause_has_a_scenario_and_every_file_of_them_is_listed():
    assert {entry.cause for entry in SCENARIOS.values()} == CAUSES.keys()
    written = {path.stem for path in HERE.glob("*.py") if "\n@scenario(" in path.read_text(encoding="utf-8")}
    assert written == {family.__name__.rsplit(".", 1)[1] for family in FAMILIES}


def test_every_scenario_tells_its_story():
    assert not [name for name, entry in SCENARIOS.items() if not entry.story]


def test_a_scenario_that_contradicts_itself_is_refused():
    for cause, statements in {
        "eps-dominated": dict(fix="x", bad_above=1.0),
        "eps-dominates": dict(fix="", bad_above=1.0),
        "l2-dominates": dict(fix="x"),
        "healthy": dict(fix="x"),
    }.items():
        with pytest.raises(ValueError, match=r"finding|needs"):
            scenario(cause, ok_below=0.1, **statements)
    with pytest.raises(ValueError, match="two scenarios"):
        scenario("healthy", ok_below=0.1)(SCENARIOS["ok_convnet_under_adamw"].train)


def test_scenarios_do_not_know_what_observes_them():
    names = {name for _, tree in trees(HERE) for name, _ in imported(tree)}
    assert any(name.startswith("torch") for name in names)
    assert not [name for name in names if name.split(".")[0] == "lossgauge"]


def test_the_script_and_the_module_train_the_same(tmp_path: Path):
    name, root = "decay_curve_by_quasi_newton", HERE.parents[1]
    options = [name, "--fixed", "--alpha", "2"]
    script = subprocess.run(
        [sys.executable, HERE / "run.py", *options], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    environment = {**os.environ, "PYTHONPATH": ""}
    module = subprocess.run(
        [sys.executable, "-m", "tests.scenarios", *options],
        cwd=root, env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    metric = SCENARIOS[name].metric(fixed=True, alpha=2.0)
    assert script.stdout == module.stdout == f"{name}: metric {metric!r}\n"


def test_the_list_names_every_scenario_and_its_cause(capsys: pytest.CaptureFixture[str]):
    assert main(["--list"]) == 0
    lines = dict(line.split() for line in capsys.readouterr().out.splitlines())
    assert lines == {name: entry.cause for name, entry in SCENARIOS.items()}


def test_verify_fails_where_a_scenario_does(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(SCENARIOS, "planted", planted(lambda **_: 0.3))
    assert main(["--verify", "planted"]) == 1
    assert "FAIL planted" in capsys.readouterr().out
    assert main(["--verify", "ok_quasi_newton_that_converged"]) == 0


@pytest.mark.parametrize("argv", [[], ["no_such_scenario"], ["ok_two_players", "ok_two_players"]])
def test_bad_usage_ends_with_2(argv: list[str], capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as end:
        main(argv)
    assert end.value.code == 2
    assert "scenario" in capsys.readouterr().err

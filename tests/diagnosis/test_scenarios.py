"""The whole way on real trainings: observed, diagnosed, treated; and the verdict does not depend on the units."""

import os
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from lossgauge.diagnosis.checkup import diagnose_session
from lossgauge.diagnosis.confirm import confirm
from lossgauge.frameworks.observer import Stop
from lossgauge.frameworks.torch.gauging.gauge import Gauge
from lossgauge.frameworks.torch.gauging.request import GaugeSettings
from lossgauge.frameworks.torch.gauging.schedule import Schedule
from lossgauge.frameworks.torch.interposition import interpose
from lossgauge.records.diagnosis import Diagnosis
from lossgauge.records.injection import Injection
from lossgauge.records.journal import Journal, read_session
from lossgauge.records.session import Session
from lossgauge.records.treatment import Treatment
from tests.scenarios.catalogue import SCENARIOS

LAWFUL = [name for name, scenario in SCENARIOS.items() if scenario.lawful]
EVERY = os.environ.get("LOSSGAUGE_ALL_SCENARIOS") == "1"
"""All of them take minutes; without this one lawful scenario of every cause is tried."""
FIRST = {SCENARIOS[name].cause: name for name in reversed(LAWFUL) if not SCENARIOS[name].healthy}
CHOSEN = [name for name in LAWFUL if EVERY or name in FIRST.values()]
TREATED = (
    "wave_heights_in_kilometres",
    "adagrad_on_a_light_term",
    "values_clipped_far_too_low",
    "early_stopping_by_an_absolute_gain",
    "options_of_a_training_loop",
    "light_loss_under_adadelta",
    "ok_large_epsilon_with_its_own_rate",
    "ok_every_step_is_clipped",
)


def observe(
    folder: Path, name: str, treatments: Sequence[Treatment] = (), stop: int | None = None, units: float = 1.0
) -> Session:
    path = folder / f"{len(list(folder.iterdir()))}.jsonl"
    journal = Journal(path)
    journal.begin(name, [], {})
    # What a sample costs must not decide here which steps are sampled: these machines are noisy.
    gauge = Gauge(journal, GaugeSettings(stop_after=stop, schedule=Schedule(entry=1e9)))
    try:
        with interpose(Injection(treatments=tuple(treatments)), gauge):
            SCENARIOS[name].train(units=units)
    except Stop:
        pass
    gauge.finish()
    gauge.close("finished")
    session = read_session(path)
    assert not [event.text for event in session.events if event.kind == "limit"]
    return session


def said(diagnosis: Diagnosis) -> list[tuple[str, str]]:
    return [(finding.name, finding.severity) for finding in diagnosis.findings]


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("name", CHOSEN)
def test_a_change_of_units_changes_no_verdict(tmp_path, name):
    units = 2.0**10 if LAWFUL.index(name) % 2 else 2.0**-10
    plain, scaled = (diagnose_session(observe(tmp_path, name, units=u)) for u in (1.0, units))
    assert said(plain) == said(scaled)
    assert [t.factor for f in plain.findings for t in f.treatments] == [
        t.factor for f in scaled.findings for t in f.treatments
    ]


@pytest.mark.parametrize("name", SCENARIOS if EVERY else TREATED)
def test_remedies_are_tried_and_the_cause_is_found(tmp_path, name):
    session = observe(tmp_path, name)
    confirm(session, lambda tried, steps: [observe(tmp_path, name, t, steps) for t in tried])
    diagnosis = diagnose_session(session)
    scenario = SCENARIOS[name]
    if scenario.healthy:
        assert diagnosis.healthy, said(diagnosis)
        return
    main = diagnosis.findings[0]
    assert (main.name, main.severity) != (scenario.cause, "info")
    assert main.name == scenario.cause
    assert main.remedy.verified or EVERY
    for finding in diagnosis.findings:
        if finding.remedy.verified:
            assert finding.remedy.before is not None
            assert finding.remedy.after is not None
            assert finding.remedy.after < finding.remedy.before


def test_observing_a_scenario_leaves_its_metric_alone(tmp_path):
    name = "wave_heights_in_kilometres"
    path = tmp_path / "s.jsonl"
    journal = Journal(path)
    journal.begin(name, [], {})
    plain = SCENARIOS[name].train()
    with interpose(Injection(), Gauge(journal)):
        assert SCENARIOS[name].train() == plain

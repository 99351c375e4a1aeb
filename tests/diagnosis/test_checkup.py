"""From a session to a diagnosis: what comes first, what trials decide, what is said of sessions that say little."""

import json
import math
from dataclasses import replace

import pytest

from lossgauge.cli.printing import _speakable
from lossgauge.diagnosis.case import Case
from lossgauge.diagnosis.checkup import check, diagnose_session
from lossgauge.diagnosis.gauges import measure_gauges
from lossgauge.records.journal import read_session, write_session
from lossgauge.records.loss_reading import LossReading, Term
from lossgauge.records.session import Clip, Ending, Event, Session, Trial
from tests.diagnosis.rules.test_clipping import by_hand, saturated, tiny
from tests.diagnosis.rules.test_denominators import ruled
from tests.diagnosis.rules.test_lookalikes import deep, elsewhere, unlabelled
from tests.diagnosis.rules.test_step_sizes import thrown
from tests.diagnosis.sessions import BROKEN, FELL, FLAT, SLOW, seen, train

FIELDS = {"schema", "script", "steps", "healthy", "answer", "findings", "gauges", "windows", "notes"}
FINDING = {"code", "name", "severity", "message", "where", "evidence", "remedy"}
REMEDY = {"text", "change", "verified", "before", "after", "measure"}


def sickly(losses=FLAT):
    """Epsilon rules, the penalty outweighs the data, and every step is clipped."""
    look, clip = (seen(1e-6, 1e-6, eps=1e-2),), Clip("max_norm", 0.01, 1.0)
    return train(losses, look, settings={"eps": 1e-2, "weight_decay": 0.1}, clips=lambda step: clip)


def tried(session, code, after, helped=True, index=0, before=1.0):
    """The session with a trial of a rule's treatment."""
    finding = next(finding for finding in check(Case(session)) if finding.code == code)
    change = finding.treatments[index].summary()
    session.trials.append(Trial(code, change, "loss", before, after, 1.0, helped, 60))
    return session


def named(session):
    return [finding.name for finding in diagnose_session(session).findings]


def finding_of(session, name):
    return next(finding for finding in diagnose_session(session).findings if finding.name == name)


def test_untried_faults_come_in_the_order_of_their_ranks():
    findings = diagnose_session(sickly()).findings
    assert {"eps-dominates", "l2-dominates", "clip-saturated"} <= {finding.name for finding in findings}
    faults = [finding.rank for finding in findings if finding.severity == "fault"]
    assert faults == sorted(faults)
    assert all(finding.remedy.verified is None for finding in findings)


def test_faults_come_before_warnings_and_warnings_before_infos():
    for session in (sickly(), thrown(), deep(), train(FELL, stale=True), sickly(FELL)):
        severities = [finding.severity for finding in diagnose_session(session).findings]
        assert severities == sorted(severities, key=["fault", "warning", "info"].index)
        assert severities


def test_where_training_is_fine_signals_are_info_and_the_answer_says_so():
    diagnosis = diagnose_session(sickly(FELL))
    assert diagnosis.healthy
    assert diagnosis.findings
    assert "not a problem" in diagnosis.answer


def test_a_remedy_that_helped_is_verified_and_first():
    session = tried(sickly(), "LG012", after=0.01)
    main = diagnose_session(session).findings[0]
    assert (main.name, main.severity, main.remedy.verified) == ("clip-saturated", "fault", True)
    assert (main.remedy.before, main.remedy.after, main.remedy.measure) == (1.0, 0.01, "loss")
    assert main.remedy.change["max_norm"][0] == 0.01


def test_a_remedy_that_did_not_help_takes_the_blame_away():
    session = tried(ruled(), "LG001", after=0.99, helped=False)
    finding = finding_of(session, "eps-dominates")
    assert (finding.severity, finding.remedy.verified) == ("info", False)
    assert "tried in vain: set eps of Adam" in finding.remedy.text
    assert finding.remedy.change == {}
    assert diagnose_session(session).healthy


def test_the_second_treatment_counts_where_the_first_did_not_help():
    session = tried(tried(ruled(), "LG001", 0.99, helped=False), "LG001", 0.01, index=1)
    finding = finding_of(session, "eps-dominates")
    assert finding.remedy.verified is True
    assert finding.remedy.after == 0.01


def test_a_trial_that_helped_makes_a_warning_a_fault():
    session = by_hand(relative=5e-4)
    warned = next(finding for finding in check(Case(session)) if finding.name == "lr-too-small-for-loss")
    assert finding_of(tried(session, warned.code, 0.01), warned.name).severity == "fault"


def test_cures_come_before_partial_cures_however_specific():
    session = tried(tried(sickly(), "LG015", after=0.7), "LG012", after=1e-3)
    assert named(session)[:2] == ["clip-saturated", "l2-dominates"]


def test_among_cures_the_more_specific_comes_first():
    session = tried(tried(sickly(), "LG015", after=2e-3), "LG012", after=1e-3)
    assert named(session)[:2] == ["l2-dominates", "clip-saturated"]


def test_what_nothing_was_tried_for_is_the_consequence_of_what_was_cured():
    session = deep()
    session.steps = [replace(step, clip=Clip("max_norm", 1e-6, 1.0)) for step in session.steps]
    assert finding_of(session, "vanishing-gradient").severity == "fault"
    cured = tried(session, "LG012", after=1e-3)
    assert finding_of(cured, "vanishing-gradient").severity == "info"


def test_the_last_resort_is_left_out_where_something_else_was_found():
    session = unlabelled()
    assert named(session) == ["labels-unrelated"]
    session.steps = [replace(step, clip=Clip("max_norm", 1e-6, 1.0), stale=True) for step in session.steps]
    assert "labels-unrelated" in [finding.name for finding in check(Case(session))]
    assert "labels-unrelated" not in named(session)


def test_the_last_resort_stays_beside_mere_infos():
    session = tried(unlabelled_and_clipped(), "LG012", 0.99, helped=False)
    assert set(named(session)) == {"labels-unrelated", "clip-saturated"}


def unlabelled_and_clipped():
    session = unlabelled()
    session.steps = [replace(step, clip=Clip("max_norm", 1e-6, 1.0)) for step in session.steps]
    return session


def test_the_untried_are_offered_a_trial_and_the_tried_are_not():
    assert any("--confirm" in note for note in diagnose_session(ruled()).notes)
    assert not any("--confirm" in note for note in diagnose_session(tried(ruled(), "LG001", 0.01)).notes)
    assert not any("--confirm" in note for note in diagnose_session(elsewhere(strangers=0)).notes)


@pytest.mark.parametrize("reason", ["killed", "failed", "interrupted"])
def test_a_session_that_broke_off_says_so(reason):
    session = ruled()
    session.ending = Ending(reason, "signal 9", 60)
    diagnosis = diagnose_session(session)
    assert any("did not end by itself (signal 9)" in note for note in diagnosis.notes)
    assert diagnosis.gauges["ending"] == reason


def test_a_record_without_an_end_still_has_its_steps():
    session = ruled()
    session.ending = None
    diagnosis = diagnose_session(session)
    assert diagnosis.steps == 60
    assert diagnosis.gauges["ending"] == "unknown"
    assert any("did not end by itself" in note for note in diagnosis.notes)


def test_an_empty_session_says_what_was_expected():
    diagnosis = diagnose_session(Session())
    assert diagnosis.healthy
    assert "No optimizer step was seen" in diagnosis.answer
    assert any("step()" in note for note in diagnosis.notes)
    assert diagnosis.windows == diagnosis.findings == ()


def test_limits_of_the_observation_are_passed_on():
    events = [Event("limit", 0, "captured graphs are not read"), Event("process", 3, "left"), Event("plateau", 4, "no")]
    notes = diagnose_session(train(events=events)).notes
    assert {"captured graphs are not read", "left"} <= set(notes)
    assert "no" not in notes


def test_never_a_finite_loss():
    look = (seen([math.nan] * 4, relative=math.nan, weight=math.nan),)
    diagnosis = diagnose_session(train([math.nan] * 30, look))
    assert diagnosis.gauges["state"] == "broken"
    assert "not a problem" not in diagnosis.answer
    assert diagnosis.answer.endswith(".")


def test_an_optimizer_without_a_law():
    session = ruled()
    session.optimizers[0] = replace(session.optimizers[0], law=None, obstacle="its code needs a closure")
    diagnosis = diagnose_session(session)
    assert any("no known law: its code needs a closure" in note for note in diagnosis.notes)
    assert "law" not in diagnosis.gauges
    assert diagnosis.findings[0].name == "eps-dominates"


def test_no_cause_fits():
    answer = diagnose_session(train(FLAT[:25], (seen(1e-2, 1e-2, relative=1e-3),))).answer
    assert "no known cause fits" in answer
    assert "the loss hardly moved" in answer


def test_gauges_name_what_is_known_and_leave_out_the_rest():
    term = Term(0, ("MulBackward0", "MseLossBackward0"), factor=3.0, reduction="mean")
    look = (seen(1e-2, 1e-2, eps=1e-8, elasticity=0.25, carriers={"eps": 0.25}),)
    session = train(FELL, look, readings=[LossReading(1, factor=3.0, terms=(term,))])
    gauges = measure_gauges(Case(session))
    assert gauges["loss_terms"] == ["3 × mean of MseLoss"]
    assert gauges["carriers"] == {"eps": pytest.approx(0.25)}
    assert gauges["elasticity"] == pytest.approx(0.25)
    assert gauges["state"] == "fell"
    assert "share_clipped" not in gauges
    assert None not in gauges.values()


@pytest.mark.parametrize("count", [5, 6])
def test_carriers_add_up_to_the_typical_elasticity(count: int):
    def look(number: int):
        parts = {"eps": 0.01 * number**2, "weight_decay": -0.02 * number}
        return tuple(
            seen(
                tensor=place,
                relative=size,
                elasticity=sum(parts.values()) * size,
                carriers={name: value * size for name, value in parts.items()},
                estimated=("weight_decay",),
            )
            for place, size in enumerate((0.5, 1.0))
        )

    gauges = measure_gauges(Case(train(FELL[:count], look)))
    assert sum(gauges["carriers"].values()) == pytest.approx(gauges["elasticity"], abs=1e-12)
    assert gauges["carriers_estimated"] == ["weight_decay"]


def test_shares_of_clipped_steps():
    gauges = measure_gauges(Case(train(clips=lambda step: Clip("max_norm", 1.0, 4.0 if step % 4 else 0.5))))
    assert gauges["share_clipped"] == 0.75
    assert gauges["norm_to_threshold"] == 4.0


@pytest.mark.parametrize("make", [sickly, saturated, Session, lambda: thrown(BROKEN), lambda: tiny(FLAT)])
def test_the_document_has_the_fields_outside_checks_rely_on(make):
    plain = diagnose_session(make()).to_dict()
    assert set(plain) == FIELDS
    assert all(set(finding) == FINDING and set(finding["remedy"]) == REMEDY for finding in plain["findings"])
    assert json.loads(json.dumps(_speakable(plain), allow_nan=False))["steps"] == plain["steps"]


def test_a_remedy_that_never_stayed_finite_is_still_json():
    session = tried(tiny(), "LG014", after=math.inf, helped=False, index=0, before=math.nan)
    assert json.dumps(_speakable(diagnose_session(session).to_dict()), allow_nan=False)


@pytest.mark.parametrize(
    "make", [sickly, saturated, tiny, lambda: thrown(BROKEN), lambda: tried(ruled(), "LG001", 0.1)]
)
def test_a_session_read_back_has_the_same_diagnosis(tmp_path, make):
    session = make()
    write_session(session, tmp_path / "session.jsonl")
    assert diagnose_session(read_session(tmp_path / "session.jsonl")).to_dict() == diagnose_session(session).to_dict()


def test_a_trial_without_clipping_is_read_back_too(tmp_path):
    session = tried(tiny(), "LG014", after=0.1, index=1)
    assert session.trials[0].treatment["factor"] == math.inf
    write_session(session, tmp_path / "session.jsonl")
    assert finding_of(read_session(tmp_path / "session.jsonl"), "clip-hidden-constant").remedy.verified


def test_a_cure_that_only_makes_faster_what_came_down_anyway_stays_a_warning():
    for after, severity in ((0.35, "warning"), (0.1, "fault")):
        finding = finding_of(tried(ruled(SLOW), "LG001", after, before=0.5), "eps-dominates")
        assert (finding.severity, finding.remedy.verified) == (severity, True)


def test_what_may_have_been_done_on_purpose_stays_a_warning_whatever_a_trial_shows():
    session = tried(elsewhere(SLOW, held=4), "LG034", after=0.01)
    assert finding_of(session, "params-not-in-optimizer").severity == "warning"


def test_a_loss_that_is_not_finite_is_not_healthy_though_no_rule_knows_why():
    diagnosis = diagnose_session(train([math.nan] * 30, lambda step: (seen(1e-2 * step),), optimizer="sgd"))
    assert not diagnosis.findings
    assert not diagnosis.healthy
    assert "from the first step on" in diagnosis.answer


def test_one_that_maximizes_wants_its_loss_to_rise():
    def climb(maximize):
        session = train([-loss for loss in FELL])
        session.optimizers[0] = replace(session.optimizers[0], flags={"maximize": maximize})
        return diagnose_session(session).gauges

    assert climb(True)["state"] == "fell"
    assert climb(False)["state"] != "fell"
    assert climb(True)["loss_start"] < climb(True)["loss_end"] < 0

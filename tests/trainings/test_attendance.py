"""How closely a training is looked at: the user's own hardly, one that is made to try something more."""

from pathlib import Path

import pytest

from lossgauge.frameworks.torch.gauging.schedule import SHARE, TRIAL
from lossgauge.records.injection import Injection
from lossgauge.records.journal import Journal
from lossgauge.trainings.attendance import Attendance


@pytest.mark.parametrize(("stop_after", "share"), [(None, SHARE), (10, TRIAL)])
def test_a_trial_is_looked_at_more_closely_than_the_user_s_own_run(tmp_path: Path, stop_after, share):
    attendance = Attendance(Journal(tmp_path / "session.jsonl"), Injection(), stop_after)
    attendance.begin("train.py")
    attendance.install()
    assert attendance.gauge is not None
    assert attendance.gauge.schedule.share == share
    attendance.end(lambda: None)
    assert SHARE < TRIAL

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from lossgauge.records.injection import Injection
from lossgauge.records.journal import read_session
from lossgauge.trainings.nursery import Child, Nursery
from lossgauge.trainings.order import Order
from lossgauge.trainings.request import read_answer, temporary_folder
from lossgauge.trainings.script import Script


@pytest.fixture(scope="module")
def shared() -> Nursery:
    return Nursery()


def started(text: str, folder: Path, nursery: Nursery, name: str = "train", **asked: Any) -> Child:
    script = folder / f"{name}.py"
    script.write_text(text)
    order = Order(folder / f"{name}.jsonl", output="nowhere", stdin="nothing", **asked)
    return Script(str(script), (), nursery).start_trial(order, folder / name)


MEETING = """
import pathlib, time
pathlib.Path({mine!r}).touch()
while not pathlib.Path({other!r}).exists():
    time.sleep(0.01)
raise SystemExit({code})
"""


def test_children_run_side_by_side(tmp_path: Path, shared: Nursery):
    a, b = str(tmp_path / "a"), str(tmp_path / "b")
    first = started(MEETING.format(mine=a, other=b, code=3), tmp_path, shared, "first")
    second = started(MEETING.format(mine=b, other=a, code=4), tmp_path, shared, "second")
    assert second.wait(30) == 4
    assert first.wait(30) == 3
    assert first.wait() == 3


def test_a_child_is_waited_for_only_so_long(tmp_path: Path, shared: Nursery):
    child = started("import time\ntime.sleep(60)", tmp_path, shared)
    begun = time.monotonic()
    assert child.wait(0.3) is None
    assert 0.2 < time.monotonic() - begun < 5
    child.kill()
    assert child.wait(10) == -signal.SIGKILL
    child.signal(signal.SIGTERM)  # nothing happens


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except OSError:
        return False


def gone(pid: int) -> bool:
    limit = time.monotonic() + 10
    while alive(pid) and time.monotonic() < limit:
        time.sleep(0.05)
    return not alive(pid)


def written(place: Path) -> int:
    limit = time.monotonic() + 30
    while not (place.exists() and place.read_text()) and time.monotonic() < limit:
        time.sleep(0.02)
    return int(place.read_text())


FAMILY = """
import subprocess, sys, time
other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
with open({place!r}, "w") as file:
    file.write(str(other.pid))
time.sleep(60)
"""


def test_what_a_child_started_is_killed_with_it(tmp_path: Path, shared: Nursery):
    child = started(FAMILY.format(place=str(tmp_path / "pid")), tmp_path, shared)
    other = written(tmp_path / "pid")
    assert alive(other)
    child.kill()
    assert gone(child.pid)
    assert gone(other)


def test_children_end_with_their_nursery(tmp_path: Path):
    nursery = Nursery()
    child = started(FAMILY.format(place=str(tmp_path / "pid")), tmp_path, nursery)
    other, own = written(tmp_path / "pid"), child.pid
    del child, nursery
    assert gone(own)
    assert gone(other)


def test_a_child_has_nothing_to_read_and_prints_nowhere(
    tmp_path: Path, shared: Nursery, capfd: pytest.CaptureFixture[str]
):
    text = "import sys, os\nprint('out'); print('err', file=sys.stderr); os.system('echo of another program')\n"
    assert started(text + "sys.exit(len(sys.stdin.read()))", tmp_path, shared).wait(30) == 0
    assert capfd.readouterr() == ("", "")


def test_a_child_leads_a_group_of_its_own(tmp_path: Path, shared: Nursery):
    assert started("import os, sys\nsys.exit(os.getsid(0) != os.getpid())", tmp_path, shared).wait(30) == 0


SAVING = """
import os, torch
model = torch.nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
try:
    for _ in range(100):
        model(torch.ones(1, 2)).sum().backward()
        optimizer.step()
finally:
    open({place!r}, "w").close()
"""


def test_a_trial_is_over_at_its_last_step_and_saves_nothing(tmp_path: Path, shared: Nursery):
    place = tmp_path / "checkpoint"
    child = started(SAVING.format(place=str(place)), tmp_path, shared, stop_after=5)
    assert child.wait(60) == 0
    session = read_session(tmp_path / "train.jsonl")
    assert [step.number for step in session.steps] == [1, 2, 3, 4, 5]
    assert session.ending is not None
    assert session.ending.reason == "stopped"
    assert not place.exists()
    longer = started(SAVING.format(place=str(place)), tmp_path, shared, "longer", stop_after=200)
    assert longer.wait(60) == 0
    assert place.exists()  # it came to its own end


def test_a_trial_uses_as_many_threads_as_it_is_told(tmp_path: Path, shared: Nursery):
    text = "import torch, sys\nsys.exit(torch.get_num_threads())"
    assert started(text, tmp_path, shared, threads=3).wait(60) == 3


def test_a_trial_that_cannot_be_treated_does_not_run(tmp_path: Path, shared: Nursery):
    from lossgauge.records.treatment import Treatment

    injection = Injection(treatments=(Treatment("setting", "lr"),))
    place = tmp_path / "ran"
    child = started(f"open({str(place)!r}, 'w').close()", tmp_path, shared, injection=injection)
    assert child.wait(60) == 2
    assert not place.exists()
    answer = read_answer(tmp_path / "train")
    assert answer is not None
    assert "without factor or value" in answer["error"]


def test_a_missing_place_for_temporary_files_is_said_in_one_line(monkeypatch: pytest.MonkeyPatch):
    import tempfile

    from lossgauge.errors import InputError

    monkeypatch.setattr(tempfile, "tempdir", "/proc/nowhere")
    with pytest.raises(InputError, match="set TMPDIR to a folder you may write to"), temporary_folder():
        pass


def test_half_an_answer_is_none(tmp_path: Path):
    assert read_answer(tmp_path) is None
    (tmp_path / "answer.json").write_text(json.dumps({"threads": 1})[:5])
    assert read_answer(tmp_path) is None


def test_the_nursery_survives_its_children(tmp_path: Path, shared: Nursery):
    child = started("import os\nos.kill(os.getpid(), 11)", tmp_path, shared)
    assert child.wait(30) == -signal.SIGSEGV
    assert started("", tmp_path, shared, "next").wait(30) == 0
    assert shared.process is not None
    assert shared.process.poll() is None
    assert os.getpgid(shared.process.pid) == os.getpgid(0)

"""The Ray executor; what needs Ray itself runs with LOSSGAUGE_RAY=1 where Ray is installed (about a minute)."""

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from lossgauge.errors import InputError
from lossgauge.experiments.sweeping.executors import ray as executors_ray
from lossgauge.experiments.sweeping.executors.executor import ACCELERATOR, AUTO, ENGINE, Task
from lossgauge.experiments.sweeping.executors.ray import SUBMISSIONS, Piece, RayExecutor, carry_out, load_ray
from lossgauge.records.sweep import FAILED, Outcome
from tests.experiments.sweeping.executors import ray_session
from tests.experiments.sweeping.executors.ray_cluster import ROOT, Cluster, until
from tests.experiments.sweeping.executors.ray_engines import DEADLY, SECONDS
from tests.experiments.sweeping.executors.ray_session import make_tasks

with_ray = pytest.mark.skipif(
    find_spec("ray") is None or os.environ.get("LOSSGAUGE_RAY") != "1",
    reason="starts real Ray clusters: set LOSSGAUGE_RAY=1 and install 'lossgauge[ray]'",
)
Result = tuple[str, list[Outcome]]


def drive(engine: str, address: str, count: int, tier: str = AUTO) -> "subprocess.Popen[str]":
    """A driver in a process of its own: Ray can be started once per process."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    return subprocess.Popen(
        [sys.executable, "-m", ray_session.__name__, engine, address, str(count), tier],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, env=environment,
    )  # fmt: skip


def finish(driver: "subprocess.Popen[str]") -> tuple[int, list[Result]]:
    """The jobs of the cluster, and all results."""
    out, complaints = driver.communicate(timeout=280)
    assert driver.returncode == 0, complaints
    first, *lines = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
    results = [(line["key"], [Outcome.from_dict(plain) for plain in line["outcomes"]]) for line in lines]
    return first["jobs"], results


def faults(results: Sequence[Result], tasks: Sequence[Task]) -> list[str]:
    """What is not as an undisturbed run in this process would have it."""
    expected = {task.key: [Outcome.from_dict(plain) for plain in here(task)] for task in tasks}
    counts = Counter(key for key, _ in results)
    found = [f"{key} came {counts[key]} times" for key in expected if counts[key] != 1]
    found += [f"{key} was not asked for" for key in counts if key not in expected]
    return found + [f"{key} came out otherwise" for key, outcomes in results if outcomes != expected.get(key)]


def just_begun(folder: Path) -> bool:
    """Whether the second node is at work on something that will take a while yet."""
    return any(time.time() - path.stat().st_mtime < SECONDS / 3 for path in folder.glob("begun-second-*"))


def here(task: Task) -> list[dict[str, Any]]:
    return carry_out(task.to_dict(), ENGINE, [])


@pytest.fixture(autouse=True)
def untouched(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a worker sets in its own process does not outlast a test."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    for name in executors_ray.ONE_THREAD:
        monkeypatch.setenv(name, "1")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)


def test_a_task_travels_as_plain_data():
    task = make_tasks(2)[1]
    plain = json.loads(json.dumps(task.to_dict()))
    outcomes = [Outcome.from_dict(answer) for answer in json.loads(json.dumps(carry_out(plain, ENGINE, [])))]
    assert [outcome.status for outcome in outcomes] == ["finished", "finished"]
    assert faults([(task.key, outcomes)], [task]) == []


def test_the_check_of_results_notices_every_fault():
    tasks = make_tasks(3)
    right = [(task.key, [Outcome.from_dict(plain) for plain in here(task)]) for task in tasks]
    assert faults(right, tasks) == []
    assert faults(right[:2], tasks) == ["task-3 came 0 times"]
    assert faults([*right, right[0]], tasks) == ["task-1 came 2 times"]
    assert faults([*right, ("task-9", right[0][1])], tasks)[0] == "task-9 was not asked for"
    assert faults([*right[:2], ("task-3", right[1][1])], tasks) == ["task-3 came out otherwise"]


def test_an_error_of_the_engine_is_the_outcome_of_its_settings():
    task = make_tasks(1)[0]
    (first, second) = carry_out({**task.to_dict(), "tier": "no such tier"}, ENGINE, [])
    assert first == second
    assert first["status"] == FAILED
    assert "no such tier" in first["message"]


def test_what_was_lost_is_submitted_again_and_then_taken_apart():
    task = make_tasks(1)[0]
    pieces = [Piece(task, 0, 2)]
    for _ in range(SUBMISSIONS - 1):
        (piece,) = pieces[-1].again()
        assert (piece.begin, piece.end) == (0, 2)
        pieces.append(piece)
    halves = pieces[-1].again()
    assert [(piece.begin, piece.end) for piece in halves] == [(0, 1), (1, 2)]
    assert [len(piece.plain()["settings"]) for piece in halves] == [1, 1]
    assert halves[1].plain()["settings"] == task.to_dict()["settings"][1:]
    last = halves[0]
    for _ in range(SUBMISSIONS - 1):
        (last,) = last.again()
    assert last.again() == []


def test_without_ray_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r"pip install 'lossgauge\[ray\]'"), RayExecutor():
        pass


def test_no_jobs_are_bad_input():
    with pytest.raises(InputError, match="jobs is 0"):
        RayExecutor(jobs=0)


@pytest.mark.parametrize(
    ("installed", "connects", "before", "after"),
    [("2.60.0", True, None, "token"), ("2.59.0", True, "disabled", "disabled"), ("2.60.0", False, None, None),
     ("2.58.9", True, None, None)],
)  # fmt: skip
def test_the_token_is_shown_where_nodes_ask_for_it(
    monkeypatch: pytest.MonkeyPatch, installed: str, connects: bool, before: str | None, after: str | None
):
    monkeypatch.setattr(executors_ray, "version", lambda name: installed)
    monkeypatch.setitem(sys.modules, "ray", sys)  # any module: nothing of it is used here
    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
    if before:
        monkeypatch.setenv("RAY_AUTH_MODE", before)
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    load_ray(connects)
    assert os.environ.get("RAY_AUTH_MODE") == after


@with_ray
def test_a_cluster_of_our_own():
    jobs, results = finish(drive("threads", "", 3))
    assert jobs == 2
    assert sorted(key for key, _ in results) == ["task-1", "task-2", "task-3"]
    assert {outcome.final_loss for _, outcomes in results for outcome in outcomes} == {1.0}, "one thread per worker"


@with_ray
def test_a_setting_that_ends_its_worker_costs_only_itself():
    tasks = make_tasks(int(DEADLY) + 1)
    _, results = finish(drive("deadly", "", len(tasks)))
    lost = dict(results).pop(f"task-{DEADLY}")
    assert [outcome.status for outcome in lost] == [FAILED, FAILED]
    assert all("was lost" in outcome.message and "\n" not in outcome.message for outcome in lost)
    others = [(key, outcomes) for key, outcomes in results if key != f"task-{DEADLY}"]
    assert faults(others, [task for task in tasks if task.key != f"task-{DEADLY}"]) == []


@with_ray
def test_a_node_that_is_lost_loses_nothing(tmp_path: Path):
    tasks = make_tasks(20)
    with Cluster(tmp_path) as cluster:
        driver = drive("traced", cluster.address, len(tasks))
        until(lambda: list(tmp_path.glob("ended-second-*")) and just_begun(tmp_path))
        cluster.nodes[1].lose()
        interrupted = [path.name.split("-")[2] for path in tmp_path.glob("begun-second-*")]
        jobs, results = finish(driver)
    assert jobs == 2
    assert faults(results, tasks) == []
    assert interrupted, "the node was at work when it was lost"
    again = {path.name.split("-")[2] for path in tmp_path.glob("ended-head-*")}
    assert set(interrupted) <= again, "what it was at was done by the other one"


@with_ray
def test_tasks_for_an_accelerator_go_where_there_is_one(tmp_path: Path):
    with Cluster(tmp_path, "--num-gpus=1", "--num-cpus=2") as cluster:
        _, asked = finish(drive("placed", cluster.address, 6, ACCELERATOR))
        _, others = finish(drive("placed", cluster.address, 12))
    assert {(o.engine, o.message) for _, outcomes in asked for o in outcomes} == {(ACCELERATOR, "second")}
    assert {(o.engine, o.message) for _, outcomes in others for o in outcomes} == {(AUTO, "head"), (AUTO, "second")}


@with_ray
def test_a_cluster_without_an_accelerator_is_one_clear_line():
    driver = drive("placed", "", 1, ACCELERATOR)
    _, complaints = driver.communicate(timeout=280)
    assert driver.returncode == 2
    assert "no node of the Ray cluster has a GPU; expected --device cpu" in complaints.splitlines()[-1]


@with_ray
def test_an_address_without_a_cluster_is_one_clear_line():
    driver = drive("traced", "127.0.0.1:1", 1)
    _, complaints = driver.communicate(timeout=280)
    assert driver.returncode == 2
    assert "lossgauge: no Ray cluster at '127.0.0.1:1'" in complaints.splitlines()[-1]

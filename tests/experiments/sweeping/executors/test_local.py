import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from lossgauge.errors import InputError
from lossgauge.experiments.sweeping.executors.executor import ACCELERATOR, AUTO, Task
from lossgauge.experiments.sweeping.executors.local import ON_DEVICE, LocalExecutor, usable_cores
from lossgauge.records.sweep import Outcome, Setting
from tests.experiments.sweeping import descent
from tests.experiments.sweeping.sweeps import WORKLOAD
from tests.house.source import ROOT

ENGINE = f"{descent.__name__}:run_settings"
TIERS = (AUTO, ACCELERATOR)


def task(key: str, *seeds: int, data: Path | str = "noise", steps: int = 12) -> Task:
    settings = tuple(Setting("torch.optim:SGD", {"lr": 0.1}, Fraction(1), seed) for seed in seeds)
    return Task(key, replace(WORKLOAD, data=str(data), steps=steps), settings)


def run(tasks: Sequence[Task], engine: str = "run_settings", jobs: int = 2) -> dict[str, list[Outcome]]:
    with LocalExecutor(jobs, f"{descent.__name__}:{engine}") as executor:
        results = list(executor.run(tasks))
    assert len({key for key, _ in results}) == len(results)
    return dict(results)


def expected(one: Task) -> list[Outcome]:
    return descent.run_settings(one.workload, one.settings)


def test_every_task_is_done_once_and_as_in_this_process():
    tasks = [task(f"t{place}", place, place + 20, place + 40) for place in range(7)]
    assert run(tasks) == {one.key: expected(one) for one in tasks}


def test_it_can_be_used_again_and_tells_of_every_step():
    told: list[int] = []
    with LocalExecutor(2, ENGINE, told.append) as executor:
        assert dict(executor.run([task("a", 1), task("b", 2)]))
        assert dict(executor.run([task("c", 3, 4)]))
        assert list(executor.run([])) == []
    assert sum(told) == 4 * WORKLOAD.steps


def test_a_worker_that_dies_once_costs_nothing(tmp_path: Path):
    once = tmp_path / "once"
    tasks = [task("a", 1, 7, 2, data=once), task("b", 3, data=once)]
    assert run(tasks, "deadly") == {one.key: expected(one) for one in tasks}
    assert once.exists()


def test_a_setting_that_kills_its_worker_every_time_costs_only_itself(tmp_path: Path):
    tasks = [task("a", 1, 13, 2, data=tmp_path / "x"), task("b", 3, data=tmp_path / "x"), task("c", 13, data=tmp_path)]
    results = run(tasks, "deadly")
    assert [outcome.status for outcome in results["a"]] == ["finished", "failed", "finished"]
    assert [results["a"][0], results["a"][2]] == [expected(tasks[0])[0], expected(tasks[0])[2]]
    assert results["a"][1].message == "the process that ran it was ended by signal 9: out of memory, for example"
    assert results["b"] == expected(tasks[1])
    assert results["c"][0].status == "failed"


def test_two_processes_share_an_accelerator_and_the_others_go_on_beside_them():
    on_device = [replace(task(f"d{k}", k), tier=ACCELERATOR) for k in range(9)]
    beside = [task(f"p{k}", k) for k in range(12)]
    results = run([*beside, *on_device], "place", jobs=4)
    used = {tier: {o.message for found in results.values() for o in found if o.engine == tier} for tier in TIERS}
    assert len(results) == 21
    assert len(used[ACCELERATOR]) == ON_DEVICE
    assert used[AUTO] - used[ACCELERATOR]
    alone = run(on_device, "place", jobs=4)
    assert len({outcome.message for found in alone.values() for outcome in found}) == ON_DEVICE
    assert len({outcome.message for found in run(beside, "place", jobs=4).values() for outcome in found}) > ON_DEVICE


def test_one_process_does_everything_where_there_is_only_one():
    on_device = [replace(task(f"d{k}", k), tier=ACCELERATOR) for k in range(3)]
    results = run([task("p", 1), *on_device], "place", jobs=1)
    assert len(results) == 4
    assert len({outcome.message for found in results.values() for outcome in found}) == 1


def test_an_error_of_the_engine_is_an_outcome_and_what_is_printed_disturbs_nobody():
    results = run([task("a", 1, 2, steps=13), task("b", 1)], "failing")
    assert {outcome.message for outcome in results["a"]} == {"RuntimeError: this model cannot be trained"}
    assert results["b"] == expected(task("b", 1))


def test_workers_that_cannot_even_start_end_the_sweep_with_one_line():
    with pytest.raises(InputError, match="end before they can do anything"):
        run([task("a", 1)], "no_such_function")


def test_each_worker_has_one_thread():
    assert run([task("a", 1)], "threads")["a"][0].message == "1 1"


def test_leaving_ends_the_workers(tmp_path: Path):
    place = tmp_path / "pid"
    with LocalExecutor(1, f"{descent.__name__}:endless") as executor:
        waiting = threading.Thread(target=_drain, args=(executor, task("a", 1, data=place)), daemon=True)
        waiting.start()
        worker = _pid(place)
        assert _alive(worker)
    assert not _alive(worker)


def test_workers_end_when_the_driver_is_killed(tmp_path: Path):
    place = tmp_path / "pid"
    program = (
        f"from {__name__} import *\n"
        f"with LocalExecutor(1, '{descent.__name__}:endless') as executor:\n"
        f"    list(executor.run([task('a', 1, data={str(place)!r})]))\n"
    )
    driver = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT)
    try:
        worker = _pid(place)
    finally:
        driver.kill()
        driver.wait()
    for _ in range(1200):
        if not _alive(worker):
            return
        time.sleep(0.05)
    os.kill(worker, signal.SIGKILL)
    pytest.fail("the worker outlived its driver")


def test_the_number_of_workers():
    assert LocalExecutor().jobs == usable_cores() >= 1
    with pytest.raises(InputError, match="jobs is 0"):
        LocalExecutor(0)


def _drain(executor: LocalExecutor, one: Task) -> None:
    with suppress(Exception):
        list(executor.run([one]))


def _pid(place: Path) -> int:
    for _ in range(2400):
        if place.exists() and (text := place.read_text()):
            return int(text)
        time.sleep(0.05)
    raise AssertionError("no worker has begun")


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in ("Z", "X")

"""A driver in a process of its own: `python -m … ENGINE ADDRESS COUNT TIER` prints each result as a line of JSON."""

import json
import sys
from fractions import Fraction

from lossgauge.errors import LossgaugeError
from lossgauge.experiments.sweeping.executors.executor import AUTO, Task
from lossgauge.experiments.sweeping.executors.ray import RayExecutor
from lossgauge.records.sweep import Setting, Workload

WORKLOAD = Workload("mlp-16-8-1", "mse", "regression", steps=20)
HERE = __name__ if __name__ != "__main__" else "tests.experiments.sweeping.executors.ray_session"
ENGINES = HERE.rpartition(".")[0] + ".ray_engines"


def make_tasks(count: int, tier: str = AUTO) -> list[Task]:
    """Tasks of two settings each, told apart by α = 1, 2, 3, …"""
    return [Task(f"task-{number}", WORKLOAD, make_pair(Fraction(number)), tier) for number in range(1, count + 1)]


def make_pair(alpha: Fraction) -> tuple[Setting, ...]:
    return tuple(Setting("torch.optim:SGD", {"lr": rate}, alpha) for rate in (0.01, 0.02))


def main() -> None:
    engine, address, count, tier = sys.argv[1:]
    try:
        with RayExecutor(2, f"{ENGINES}:{engine}", address=address or None) as executor:
            print(json.dumps({"jobs": executor.jobs}), flush=True)
            for key, outcomes in executor.run(make_tasks(int(count), tier)):
                print(json.dumps({"key": key, "outcomes": [outcome.to_dict() for outcome in outcomes]}), flush=True)
    except LossgaugeError as error:
        print(f"lossgauge: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()

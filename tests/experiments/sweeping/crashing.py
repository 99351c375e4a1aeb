"""A driver that is killed in the middle of a statement of SQL: `python -m … STORE SHARES STATEMENT [broken]`.

STATEMENT counts from 0; a negative one lets the driver come to its end. `broken` plants a store that says that a task
is done before it has kept what came of it, and is killed just then.
"""

import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from lossgauge.experiments.sweeping.driver import drive
from lossgauge.experiments.sweeping.reuse import Share
from lossgauge.experiments.sweeping.store import Batch, Store
from lossgauge.records.sweep import Outcome, Plan, Workload
from tests.experiments.sweeping.sweeps import Here, sgd_plan

AUDITS = 5


def plan() -> Plan:
    """Two formats, one of which is in doubt."""
    return sgd_plan(seeds=2, precisions=("float32", "bfloat16"), workload=Workload("q", "l", "d", 8, points=4))


class Broken(Store):
    """The planted violation: two transactions where there has to be one."""

    def finish(self, batch: Batch, outcomes: Sequence[Outcome]) -> None:
        with self._database.change() as change:
            change.execute("UPDATE tasks SET done = 1 WHERE key = ?", (batch.key,))
        if self.outcomes():
            os.kill(os.getpid(), signal.SIGKILL)
        super().finish(batch, outcomes)


def main(store: str, shares: str, statement: int, kind: type[Store]) -> None:
    kept = kind(Path(store))
    left = [statement]

    def count(text: str) -> None:
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)
        left[0] -= 1

    kept._database._connection.set_trace_callback(count)
    if not kept.begun():
        kept.begin(plan(), [Share(**one) for one in json.loads(Path(shares).read_text())], {"rounding": "reuse"})
    drive(plan(), kept, Here(), AUDITS)
    print(statement - left[0])
    kept.close()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), Broken if "broken" in sys.argv else Store)

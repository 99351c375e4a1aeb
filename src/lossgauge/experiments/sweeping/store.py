"""Where a sweep is kept: one SQLite file with the plan, the settings, the runs and the audits.

The driver is the only writer, and what belongs together is written in one transaction: whenever it ends, the store is
whole, and a sweep that goes on later fills exactly the rows that an undisturbed one would have filled.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lossgauge.errors import InputError
from lossgauge.experiments.sweeping.database import Database
from lossgauge.experiments.sweeping.reuse import Share
from lossgauge.experiments.sweeping.tables import TABLES, outcome_row, read_outcome, read_setting, setting_row
from lossgauge.records.sweep import DIVERGED, FAILED, Outcome, Plan, SweepRow


@dataclass(frozen=True)
class Batch:
    """Settings that are run as one task, by number.

    Args:
        key: The task's key.
        phase: The part of the sweep it belongs to.
        tier: The engine's tier.
        numbers: The settings.
    """

    key: str
    phase: str
    tier: str
    numbers: tuple[int, ...]


@dataclass(frozen=True)
class Audit:
    """A reused result that was held against a run of its own.

    Args:
        number: The setting that was run although another stands for it.
        run: The setting that stands for it.
        kind: What was promised: `bits` or `rounding`.
        difference: How the two differ; empty where the promise was kept.
    """

    number: int
    run: int
    kind: str
    difference: str


class Store:
    """A sweep in a file, or in memory."""

    def __init__(self, path: Path | None) -> None:
        """Open the file, or make it.

        Args:
            path: The file; None keeps the sweep in memory.

        Raises:
            InputError: When another driver is at work on it, or it is no store.
        """
        self.path = path
        self._database = Database(path)

    def close(self) -> None:
        """Close the file and let other drivers in."""
        self._database.close()

    def begin(self, plan: Plan, shares: Sequence[Share], options: Mapping[str, Any]) -> None:
        """Write a plan into an empty store, all of it or nothing.

        Args:
            plan: The plan.
            shares: The share of each setting, in order.
            options: What else was asked for.
        """
        with self._database.change() as change:
            for statement in TABLES.split(";"):
                change.execute(statement)
            axes = json.dumps({name: [str(value) for value in values] for name, values in plan.axes.items()})
            texts = (json.dumps(plan.workload.to_dict()), axes, json.dumps(plan.notes), json.dumps(dict(options)))
            change.execute("INSERT INTO plan VALUES (?, ?, ?, ?, ?)", (plan.fingerprint(), *texts))
            rows = [setting_row(*row) for row in zip(plan.settings, plan.labels, shares, strict=True)]
            change.executemany(f"INSERT INTO settings VALUES ({', '.join('?' * 11)})", rows)

    def begun(self) -> bool:
        """Whether it holds a plan.

        Returns:
            False for a new store.
        """
        return bool(self._database.ask("SELECT 1 FROM sqlite_master WHERE name = 'plan'"))

    def check(self, plan: Plan, options: Mapping[str, Any]) -> None:
        """Make sure that it was begun with this plan.

        Args:
            plan: The plan.
            options: What else has to be as it was.

        Raises:
            InputError: When it was begun with another one; says in what they differ.
        """
        fingerprint, workload, texts = self._database.ask("SELECT fingerprint, workload, options FROM plan")[0]
        if fingerprint != plan.fingerprint():
            raise InputError(
                f"the store {str(self.path)!r} holds the sweep of another plan "
                f"({self._compare(plan, json.loads(workload))}); give that plan, or name another store"
            )
        for name, value in json.loads(texts).items():
            if name in options and options[name] != value:
                raise InputError(f"the store {str(self.path)!r} was begun with {name} {value!r}, not {options[name]!r}")

    def options(self) -> dict[str, Any]:
        """What was asked for when it was begun.

        Returns:
            Values by name.
        """
        return json.loads(self._database.ask("SELECT options FROM plan")[0][0])

    def shares(self) -> list[Share]:
        """The share of each setting, as far as is known by now.

        Returns:
            In the order of the settings.
        """
        columns = "number, run, reused, canonical_key, family"
        return [Share(*row) for row in self._database.ask(f"SELECT {columns} FROM settings ORDER BY number")]

    def demote_diverged(self, rounding: bool) -> None:
        """Promise no bits where the run that stands for others diverged: when it did depends on where a loss overflows.

        Args:
            rounding: Whether it may stand for them all the same, as one that differs by rounding.
        """
        own = "reused = 'rounding'" if rounding else "reused = '', run = number, family = ''"
        with self._database.change() as change:
            change.execute(
                f"UPDATE settings SET {own} WHERE reused = 'bits' AND run IN "
                "(SELECT number FROM runs WHERE status = ?)",
                (DIVERGED,),
            )

    def settle(self, proven: Mapping[str, bool]) -> None:
        """End the doubt about families.

        Args:
            proven: By family, whether the runs of others stand for its settings; otherwise each is run itself.
        """
        with self._database.change() as change:
            for family, holds in proven.items():
                own = "" if holds else ", run = number, reused = ''"
                change.execute(f"UPDATE settings SET family = ''{own} WHERE family = ?", (family,))

    def add(self, batches: Iterable[Batch]) -> None:
        """Note what is to be run; what is noted already stays as it is.

        Args:
            batches: The batches.
        """
        with self._database.change() as change:
            change.executemany(
                "INSERT OR IGNORE INTO tasks VALUES (?, ?, ?, ?, 0)",
                [(batch.key, batch.phase, batch.tier, json.dumps(batch.numbers)) for batch in batches],
            )

    def batches(self, phase: str, undone: bool = False) -> list[Batch]:
        """What was noted for a part of the sweep.

        Args:
            phase: The part.
            undone: Whether only what is still to be done is asked for.

        Returns:
            The batches, in the order of their keys.
        """
        where = "phase = ?" + (" AND NOT done" if undone else "")
        rows = self._database.ask(f"SELECT key, phase, tier, numbers FROM tasks WHERE {where} ORDER BY key", (phase,))
        return [Batch(key, phase, tier, tuple(json.loads(numbers))) for key, phase, tier, numbers in rows]

    def finish(self, batch: Batch, outcomes: Sequence[Outcome]) -> None:
        """Keep what came of a batch.

        Args:
            batch: The batch.
            outcomes: One per setting.
        """
        with self._database.change() as change:
            rows = [outcome_row(n, batch.key, outcome) for n, outcome in zip(batch.numbers, outcomes, strict=True)]
            change.executemany(f"INSERT OR REPLACE INTO runs VALUES ({', '.join('?' * 9)})", rows)
            change.execute("UPDATE tasks SET done = 1 WHERE key = ?", (batch.key,))

    def finish_audit(self, batch: Batch, audits: Sequence[Audit]) -> None:
        """Keep what an audit showed.

        Args:
            batch: The batch.
            audits: One per setting.
        """
        with self._database.change() as change:
            rows = [(a.number, a.run, a.kind, a.difference) for a in audits]
            change.executemany("INSERT OR REPLACE INTO audits VALUES (?, ?, ?, ?)", rows)
            change.execute("UPDATE tasks SET done = 1 WHERE key = ?", (batch.key,))

    def reopen_failed(self) -> None:
        """Let batches with settings that could not be run be run once more."""
        with self._database.change() as change:
            change.execute("UPDATE tasks SET done = 0 WHERE key IN (SELECT task FROM runs WHERE status = ?)", (FAILED,))

    def outcomes(self) -> dict[int, Outcome]:
        """What came of the runs so far.

        Returns:
            Outcomes by setting number.
        """
        columns = "number, status, final_loss, diverged_at, curve, digest, engine, message"
        return {
            row[0]: read_outcome(*row[1:]) for row in self._database.ask(f"SELECT {columns} FROM runs ORDER BY number")
        }

    def audits(self) -> list[Audit]:
        """What audits showed so far.

        Returns:
            In the order of the settings.
        """
        return [
            Audit(*row)
            for row in self._database.ask("SELECT number, run, kind, difference FROM audits ORDER BY number")
        ]

    def rows(self) -> list[SweepRow]:
        """Every setting with its result, its own or the one that stands for it.

        Returns:
            In the order of the plan.
        """
        outcomes = self.outcomes()
        columns = "number, label, optimizer, hyperparameters, alpha, seed, precision, reused, run, canonical_key"
        return [
            SweepRow(number, label, read_setting(*setting), outcomes.get(run), reused, run, key)
            for number, label, *setting, reused, run, key in self._database.ask(
                f"SELECT {columns} FROM settings ORDER BY number"
            )
        ]

    def _compare(self, plan: Plan, workload: Mapping[str, Any]) -> str:
        """In what two plans differ, in a few words."""
        for key, value in plan.workload.to_dict().items():
            if workload.get(key) != value:
                return f"its {key} is {workload.get(key)!r}, not {value!r}"
        here, there = len(plan.settings), self._database.ask("SELECT COUNT(*) FROM settings")[0][0]
        return f"it has {there} settings, not {here}" if here != there else "it has other settings"

"""The tables of a store, and how settings and outcomes are written as their rows."""

import json
import math
from typing import Any

from lossgauge.experiments.sweeping.reuse import Share
from lossgauge.records.sweep import Outcome, Setting

APPLICATION = 0x4C475357
"""Tells a store from any other SQLite file."""

TABLES = f"""
PRAGMA application_id={APPLICATION};
CREATE TABLE plan (
    fingerprint TEXT NOT NULL, workload TEXT NOT NULL, axes TEXT NOT NULL, notes TEXT NOT NULL, options TEXT NOT NULL
);
CREATE TABLE settings (
    number INTEGER PRIMARY KEY, label TEXT NOT NULL, optimizer TEXT NOT NULL, hyperparameters TEXT NOT NULL,
    alpha TEXT NOT NULL, seed INTEGER NOT NULL, precision TEXT NOT NULL, canonical_key TEXT NOT NULL,
    run INTEGER NOT NULL, reused TEXT NOT NULL, family TEXT NOT NULL
);
CREATE TABLE tasks (
    key TEXT PRIMARY KEY, phase TEXT NOT NULL, tier TEXT NOT NULL, numbers TEXT NOT NULL, done INTEGER NOT NULL
);
CREATE TABLE runs (
    number INTEGER PRIMARY KEY REFERENCES settings, task TEXT NOT NULL, status TEXT NOT NULL, final_loss REAL,
    diverged_at INTEGER, digest TEXT NOT NULL, engine TEXT NOT NULL, message TEXT NOT NULL, curve TEXT NOT NULL
);
CREATE TABLE audits (
    number INTEGER PRIMARY KEY REFERENCES settings, run INTEGER NOT NULL, kind TEXT NOT NULL, difference TEXT NOT NULL
);
CREATE VIEW results AS
    SELECT settings.number, label, optimizer, hyperparameters, alpha, seed, precision, canonical_key, reused, run,
        status, final_loss, diverged_at, digest, engine, message, curve
    FROM settings LEFT JOIN runs ON settings.run = runs.number;
"""
"""Each statement ends in a semicolon."""


def setting_row(setting: Setting, label: str, share: Share) -> tuple[Any, ...]:
    """A row of `settings`.

    Args:
        setting: The setting.
        label: What its optimizer is called in the plan.
        share: What it is to the sweep.

    Returns:
        Values in the order of the columns.
    """
    plain = setting.to_dict()
    values = (plain["optimizer"], json.dumps(plain["hyperparameters"]), plain["alpha"], setting.seed, setting.precision)
    return (share.number, label, *values, share.key, share.run, share.kind, share.family)


def read_setting(optimizer: str, hyperparameters: str, alpha: str, seed: int, precision: str) -> Setting:
    """A setting from its columns.

    Args:
        optimizer: `module:Class`.
        hyperparameters: Values by name, as JSON.
        alpha: α as text.
        seed: The seed.
        precision: The number format.

    Returns:
        The setting.
    """
    values = {"optimizer": optimizer, "hyperparameters": json.loads(hyperparameters)}
    return Setting.from_dict({**values, "alpha": alpha, "seed": seed, "precision": precision})


def outcome_row(number: int, task: str, outcome: Outcome) -> tuple[Any, ...]:
    """A row of `runs`.

    Args:
        number: The setting's number.
        task: The key of the task that ran it.
        outcome: What came of it.

    Returns:
        Values in the order of the columns; not a number is NULL.
    """
    loss = None if math.isnan(outcome.final_loss) else outcome.final_loss
    curve = json.dumps([value if math.isfinite(value) else str(value) for value in outcome.curve])
    words = (outcome.digest, outcome.engine, outcome.message)
    return (number, task, outcome.status, loss, outcome.diverged_at, *words, curve)


def read_outcome(
    status: str, final_loss: float | None, diverged_at: int | None, curve: str, digest: str, engine: str, message: str
) -> Outcome:
    """An outcome from its columns.

    Args:
        status: How the training ended.
        final_loss: The loss at the end; None for not a number.
        diverged_at: The first step that was not finite.
        curve: The losses, as JSON.
        digest: A digest of the weights.
        engine: What ran it.
        message: Why it failed.

    Returns:
        The outcome.
    """
    loss = math.nan if final_loss is None else final_loss
    values = tuple(float(value) for value in json.loads(curve))
    return Outcome(status, loss, diverged_at, values, digest, engine, message)

"""A sweep as one flat table: a row for each setting, a column for each hyperparameter."""

import csv
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from lossgauge.errors import InputError
from lossgauge.records.sweep import SweepRow

FORMATS = (".csv", ".parquet")


def export_rows(rows: Sequence[SweepRow], output: Path) -> int:
    """Write a table.

    Args:
        rows: The settings with their results.
        output: The file; its ending chooses the format.

    Returns:
        The number of rows.

    Raises:
        InputError: When the ending is unknown, pyarrow is missing, or the file cannot be written.
    """
    kind = output.suffix.lower()
    if kind not in FORMATS:
        raise InputError(f"the table is to be {output.name!r}, expected a name that ends in {' or '.join(FORMATS)}")
    table = tabulate(rows)
    try:
        if kind == ".csv":
            _write_csv(table, output)
        else:
            _write_parquet(table, output)
    except OSError as error:
        raise InputError(f"the table {str(output)!r} cannot be written: {error.strerror or error}") from error
    return len(rows)


def tabulate(rows: Sequence[SweepRow]) -> list[dict[str, Any]]:
    """The table as dictionaries with the same keys in the same order.

    Args:
        rows: The settings with their results.

    Returns:
        One dictionary per row; what was left to the constructor is None, as is a result that is not there yet.
    """
    names = list(dict.fromkeys(name for row in rows for name in row.setting.hyperparameters))
    return [_flatten(row, names) for row in rows]


def _flatten(row: SweepRow, names: Sequence[str]) -> dict[str, Any]:
    setting, outcome = row.setting, row.outcome
    # A hyperparameter may be called alpha as well, which is why they carry their kind in the name.
    values = {f"hyperparameter_{name}": _plain(setting.hyperparameters.get(name)) for name in names}
    return {
        "number": row.number,
        "label": row.label,
        "optimizer": setting.optimizer,
        "alpha": float(setting.alpha),
        "alpha_exact": str(setting.alpha),
        **values,
        "seed": setting.seed,
        "precision": setting.precision,
        "canonical_key": row.key,
        "reused": row.reused,
        "run": row.run,
        "status": outcome.status if outcome else None,
        "final_loss": outcome.final_loss if outcome else None,
        "diverged_at": outcome.diverged_at if outcome else None,
        "digest": outcome.digest if outcome else None,
        "engine": outcome.engine if outcome else None,
        "message": outcome.message if outcome else None,
        "curve": list(outcome.curve) if outcome else None,
    }


def _plain(value: Any) -> Any:
    return " ".join(map(repr, value)) if isinstance(value, tuple) else value


def _write_csv(table: Sequence[dict[str, Any]], output: Path) -> None:
    with output.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, table[0] if table else [])
        writer.writeheader()
        for row in table:
            writer.writerow({**row, "curve": " ".join(map(repr, row["curve"] or ()))})


def _write_parquet(table: Sequence[dict[str, Any]], output: Path) -> None:
    try:
        pyarrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
    except ModuleNotFoundError as error:
        raise InputError(
            "a Parquet file needs pyarrow, which is not installed; install it: pip install 'lossgauge[parquet]', or "
            "choose a name that ends in .csv"
        ) from error
    names = list(table[0]) if table else []
    columns = {name: _of_one_kind([row[name] for row in table]) for name in names}
    parquet.write_table(pyarrow.table(columns), str(output))


def _of_one_kind(values: Sequence[Any]) -> list[Any]:
    """A column of Parquet has one type: numbers stay numbers, a mixture becomes text."""
    kinds = {type(value) for value in values if value is not None}
    if len(kinds) <= 1:
        return list(values)
    if kinds <= {int, float}:
        return [None if value is None else float(value) for value in values]
    return [None if value is None else str(value) for value in values]

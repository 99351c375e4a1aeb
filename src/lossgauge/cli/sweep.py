"""The command `lossgauge sweep`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lossgauge.cli.printing import answer
from lossgauge.errors import InputError

if TYPE_CHECKING:
    from lossgauge.verbs.sweep import SweepResult

EXPORT = "export"

PlanFile = Annotated[
    str | None, typer.Argument(metavar="PLAN", help="The plan, a TOML file; or the word export, then a store.")
]
Exported = Annotated[str | None, typer.Argument(metavar="[STORE]", help="With export: the store.")]
Kept = Annotated[
    str | None, typer.Option("--store", metavar="FILE", help="Where everything is kept; by default PLAN with .db.")
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with the sweep in the store.")]
Jobs = Annotated[int | None, typer.Option(help="Processes; by default one per core.")]
Engine = Annotated[str, typer.Option(help="Where it runs: local or ray.")]
Address = Annotated[str | None, typer.Option(help="Of a Ray cluster; by default one is started here.")]
Device = Annotated[str, typer.Option(help="cpu, cuda, or auto: a GPU where there is one.")]
Audited = Annotated[int, typer.Option("--audit", metavar="N", help="Run N reused settings all the same, and compare.")]
Rounding = Annotated[
    str, typer.Option(help="Settings that differ by rounding from one that is run: reuse its result, or run.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be run, and for how long.")]
Demo = Annotated[bool, typer.Option("--demo", help="The question of the well-known thread as an experiment.")]
Output = Annotated[
    str | None, typer.Option("-o", "--output", metavar="PATH", help="A folder for pictures; with export: the table.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


def sweep_command(
    plan: PlanFile = None,
    exported: Exported = None,
    store: Kept = None,
    resume: Resume = False,
    jobs: Jobs = None,
    engine: Engine = "local",
    address: Address = None,
    device: Device = "auto",
    audit: Audited = 0,
    rounding: Rounding = "reuse",
    dry_run: DryRun = False,
    demo: Demo = False,
    output: Output = None,
    as_json: AsJson = False,
) -> None:
    """Train with every setting of a plan: α × hyperparameters × optimizers × formats × seeds.

    PLAN is a TOML file: model, loss and data (module:name, or built in), steps, optimizer, and a table `grid` of lists
    or ranges like "2**-20..2**20 step 2**4" and "1e-5..1e-1 log 9". What symmetry says trains the same is run once.

    Example:
        lossgauge sweep plan.toml --store runs.db --audit 20 -o pictures
        lossgauge sweep plan.toml --store runs.db --resume
        lossgauge sweep export runs.db -o runs.csv
        lossgauge sweep --demo

    Args:
        plan: The plan, or `export`.
        exported: The store to export.
        store: The store.
        resume: Whether to go on with it.
        jobs: Processes, a count.
        engine: `local` or `ray`.
        address: Of a Ray cluster.
        device: `auto`, `cpu` or `cuda`.
        audit: How many reused results to check.
        rounding: `reuse` or `run`.
        dry_run: Whether only to say what would be done.
        demo: Whether to run the demonstration.
        output: The folder for pictures, or the table.
        as_json: Whether to print JSON.
    """
    if demo:
        return _demonstrate(output, jobs, as_json)
    if plan == EXPORT:
        return _export(exported, output, as_json)
    options = {"resume": resume, "jobs": jobs, "engine": engine, "address": address, "audit": audit,
               "device": device, "rounding": rounding, "dry_run": dry_run}  # fmt: skip
    return _sweep(_only(plan, exported), store, options, output, as_json)


def _only(plan: str | None, more: str | None) -> str:
    """The plan, if there is one and nothing else."""
    if plan is None:
        raise InputError("no plan was given; expected a TOML file, `export` and a store, or --demo")
    if more is not None:
        raise InputError(f"{more!r} is one argument too many; expected one plan, options aside")
    return plan


def _sweep(plan: str, store: str | None, options: dict[str, Any], output: str | None, as_json: bool) -> None:
    from lossgauge.cli.sweep_bar import show_progress
    from lossgauge.verbs.sweep import sweep

    kept = Path(store) if store is not None else Path(Path(plan).stem + ".db")
    try:
        with show_progress() as watcher:
            result = sweep(plan, store=kept, watcher=watcher, **options)
    except KeyboardInterrupt:
        print(f"lossgauge: interrupted; what is done is kept in {kept}, go on with --resume", file=sys.stderr)
        raise typer.Exit(130) from None
    from lossgauge.reports.text_sweep import render_sweep

    answer(result.summary.to_dict(), render_sweep, as_json)
    if output is not None and not options["dry_run"]:
        _draw(result, output)
    raise typer.Exit(int(not result.summary.sound))


def _draw(result: "SweepResult", output: str) -> None:
    """Draw the pictures; where that cannot be done, one line on stderr says why there are none."""
    from lossgauge.verbs.sweep_pictures import picture_sweep

    try:
        files = picture_sweep(result, output)
        count = len(files) // 2
        print(f"{count} picture{'s' if count > 1 else ''} in {output}, as .svg and .png", file=sys.stderr)
    except InputError as error:
        print(f"lossgauge: no pictures: {error}", file=sys.stderr)


def _export(store: str | None, output: str | None, as_json: bool) -> None:
    from lossgauge.verbs.sweep import export_sweep

    if store is None or output is None:
        raise InputError("export needs a store and a file; write: lossgauge sweep export runs.db -o runs.csv")
    count = export_sweep(store, output)
    if as_json:
        answer({"schema": "lossgauge.sweep-export/1", "rows": count, "table": output}, str, as_json)
    else:
        print(f"{count} row{'' if count == 1 else 's'} in {output}")


def _demonstrate(output: str | None, jobs: int | None, as_json: bool) -> None:
    from lossgauge.cli.sweep_bar import show_progress
    from lossgauge.verbs.sweep_demo import render_demo, sweep_demo

    try:
        with show_progress() as watcher:
            found = sweep_demo(output or "out", jobs=jobs, watcher=watcher)
    except KeyboardInterrupt:
        print("lossgauge: interrupted; the demonstration keeps nothing", file=sys.stderr)
        raise typer.Exit(130) from None
    answer(found.to_dict(), render_demo, as_json)
    raise typer.Exit(int(not found.sound))

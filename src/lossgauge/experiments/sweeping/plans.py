"""Reading a plan: TOML or a dictionary, checked as a whole before anything runs.

```toml
model = "my_package.nets:make_net"      # module:name, or a built-in name
loss = "mse"
data = "my_package.data:batches"
steps = 500
optimizer = ["sgd", "torch.optim:NAdam"]
seeds = 3

[grid]
alpha = "2**-20..2**20 step 2**4"
lr = "1e-4..1e-1 log 4"

[fixed]
momentum = 0.9
```

Instead of a list, `[optimizer.NAME]` tables give each optimizer a name, its `class`, and values of its own.
"""

import difflib
import itertools
import math
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

from lossgauge.errors import InputError
from lossgauge.experiments.sweeping.hyperparameters import OptimizerEntry, find_optimizer
from lossgauge.experiments.sweeping.ranges import MOST, read_axis
from lossgauge.laws.equivalence import LARGEST
from lossgauge.laws.formats import SMALLEST
from lossgauge.laws.spelling import spell_alpha, spell_list, spell_value
from lossgauge.records.sweep import PRECISIONS, Plan, Setting, Workload

ALPHA = "alpha"
"""The name of the loss multiplier in `[grid]` and `[fixed]`; in `[optimizer.NAME]` it is a hyperparameter's."""

POINTS = 10_000
"""The most values of one curve."""

_NEEDED = ("model", "loss", "data", "steps", "optimizer")
_KEYS = (*_NEEDED, "points", "seeds", "precision", "grid", "fixed")


def read_plan_file(path: str | Path) -> dict[str, Any]:
    """Read a TOML file.

    Args:
        path: The file.

    Returns:
        What it says, unchecked.

    Raises:
        InputError: When it cannot be read or is no TOML.
    """
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(
            f"the plan {str(path)!r} cannot be read: {error.strerror or error}; expected a TOML file"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"the plan {str(path)!r} is no TOML: {error}") from error


def read_plan(written: Mapping[str, Any]) -> Plan:
    """Check a plan and write out all its settings.

    Args:
        written: The plan as a dictionary.

    Returns:
        The plan.

    Raises:
        InputError: When a key or a value cannot be used; names the nearest key that could.
    """
    _check_keys("the plan", written, _KEYS)
    missing = [key for key in _NEEDED if key not in written]
    if missing:
        raise InputError(f"the plan has no {spell_list(missing)}; expected {', '.join(_NEEDED)}, and [grid]")
    grid, fixed = _table(written, "grid"), _table(written, "fixed")
    entries = _read_optimizers(written["optimizer"])
    notes = _check_names(entries, grid, fixed)
    alphas = _read_alphas(grid, fixed)
    _check_range(alphas, precisions := _read_precisions(written.get("precision", "float32")))
    axes: dict[str, dict[Any, None]] = {ALPHA: dict.fromkeys(alphas)}
    seeds = _read_seeds(written.get("seeds", 1))
    found: list[tuple[str, Setting]] = []
    for entry in entries:
        own = entry.read_axes(_without_alpha(grid), _without_alpha(fixed))
        size = len(alphas) * len(seeds) * len(precisions) * math.prod(map(len, own.values()))
        if len(found) + size > MOST:
            raise InputError(f"the plan has more than {MOST} settings ({entry.label} alone {size}); use coarser ranges")
        for name, values in own.items():
            axes.setdefault(name, {}).update(dict.fromkeys(values))
        entry.try_out(own)
        for precision, seed, alpha, values in itertools.product(precisions, seeds, alphas, entry.combine(own)):
            found.append((entry.label, Setting(entry.target, values, alpha, seed, precision)))
    varying = {name: tuple(values) for name, values in axes.items() if len(values) > 1}
    return Plan(
        workload=_read_workload(written),
        settings=tuple(setting for _, setting in found),
        labels=tuple(label for label, _ in found),
        axes=varying,
        notes=tuple(notes),
    )


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint at what may have been meant.

    Args:
        name: What was written.
        known: What could have been.

    Returns:
        A half sentence, empty where nothing is near.
    """
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else ""


def _check_keys(where: str, written: Mapping[str, Any], known: Sequence[str]) -> None:
    for key in written:
        if key not in known:
            raise InputError(f"{where} has no key {key!r}{nearest(key, known) or '; expected ' + ', '.join(known)}")


def _table(written: Mapping[str, Any], name: str) -> dict[str, Any]:
    table = written.get(name, {})
    if not isinstance(table, Mapping):
        raise InputError(f"{name} is {table!r}, expected a table [{name}] of names and values")
    return dict(cast("Mapping[str, Any]", table))


def _read_workload(written: Mapping[str, Any]) -> Workload:
    names: dict[str, str] = {}
    for key in ("model", "loss", "data"):
        if not isinstance(written[key], str) or not written[key].strip():
            raise InputError(f"{key} is {written[key]!r}, expected module:name or the name of a built-in one")
        names[key] = _importable(key, written[key].strip())
    steps = _read_count("steps", written["steps"], 1)
    return Workload(**names, steps=steps, points=_read_count("points", written.get("points", 50), 2, POINTS))


def _importable(key: str, name: str) -> str:
    """A name that the processes of a sweep can import as well as this one."""
    if name.startswith("__main__:"):
        raise InputError(
            f"{key} is {name!r}, which lies in the script that is running; put it into a module of its own"
        )
    return name


def _read_count(name: str, value: Any, least: int, most: int | None = None) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise InputError(f"{name} is {value!r}, expected a whole number of at least {least}")
    if most is not None and value > most:
        raise InputError(f"{name} is {value}, expected at most {most}")
    return value


def _read_seeds(written: Any) -> list[int]:
    if isinstance(written, list):
        seeds = [_read_count("seeds", seed, 0) for seed in cast("list[Any]", written)]
        if not seeds:
            raise InputError("seeds is an empty list, expected a count such as 3, or seeds such as [0, 1, 2]")
        return list(dict.fromkeys(seeds))
    return list(range(_read_count("seeds", written, 1)))


def _read_precisions(written: Any) -> list[str]:
    precisions = cast("list[Any]", written) if isinstance(written, list) else [written]
    for precision in precisions:
        if precision not in PRECISIONS:
            hint = nearest(str(precision), PRECISIONS)
            raise InputError(f"precision is {precision!r}{hint or ', expected ' + ', '.join(PRECISIONS)}")
    if not precisions:
        raise InputError(f"precision is an empty list, expected some of {', '.join(PRECISIONS)}")
    return list(dict.fromkeys(precisions))


def _read_alphas(grid: Mapping[str, Any], fixed: Mapping[str, Any]) -> list[Fraction]:
    alphas = read_axis(ALPHA, grid.get(ALPHA, fixed.get(ALPHA, 1)))
    for alpha in alphas:
        if isinstance(alpha, (bool, str, tuple)) or alpha is None or alpha <= 0:
            raise InputError(f"alpha is {alpha}, expected numbers above 0 such as 1e5, '2**17' or '1/256'")
    return alphas


def _check_range(alphas: Sequence[Fraction], precisions: Sequence[str]) -> None:
    """The loss itself is multiplied by α, so α has to be a number of its format."""
    for precision in precisions:
        for alpha in alphas:
            if not Fraction(SMALLEST[precision]) <= alpha <= Fraction(LARGEST[precision]):
                limits = f"from {spell_value(SMALLEST[precision])} to {spell_value(LARGEST[precision])}"
                raise InputError(f"alpha has {spell_alpha(alpha)}, which {precision} cannot hold; expected {limits}")


def _read_optimizers(written: Any) -> list[OptimizerEntry]:
    if isinstance(written, Mapping):
        named = cast("Mapping[str, Any]", written)
        for label, own in named.items():
            if not isinstance(own, Mapping):
                raise InputError(f"optimizer.{label} is {own!r}, expected a table [optimizer.{label}]")
        entries = [find_optimizer(own.get("class", label), label, own) for label, own in named.items()]
    else:
        names = cast("list[Any]", written) if isinstance(written, list) else [written]
        entries = [find_optimizer(name) for name in names]
    if not entries:
        raise InputError("optimizer is empty, expected names such as 'sgd', or 'module:Class'")
    for entry in entries:
        _importable("optimizer", entry.target)
    labels = [entry.label for entry in entries]
    twice = next((label for label in labels if labels.count(label) > 1), None)
    if twice:
        raise InputError(
            f"optimizer names {twice} twice; give each a name of its own: [optimizer.NAME] with class = {twice!r}"
        )
    return entries


def _without_alpha(table: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in table.items() if name != ALPHA}


def _check_names(entries: Sequence[OptimizerEntry], grid: Mapping[str, Any], fixed: Mapping[str, Any]) -> list[str]:
    """What is left out for which optimizer; a name that none of them has is an error."""
    both = next((name for name in grid if name in fixed), None)
    if both:
        raise InputError(f"{both} is both in [grid] and in [fixed]; expected it in one of them")
    known = dict.fromkeys([ALPHA, *(name for entry in entries for name in entry.names())])
    notes: list[str] = []
    for table, names in (("grid", grid), ("fixed", fixed)):
        for name in _without_alpha(names):
            without = [entry.label for entry in entries if not entry.has(name)]
            if len(without) == len(entries):
                hint = nearest(name, known) or f"; expected alpha or one of {', '.join(list(known)[1:])}"
                raise InputError(f"[{table}] has {name!r}, which no optimizer of the plan has{hint}")
            if without:
                notes.append(f"{name} is left out for {spell_list(without)}, without such a setting")
    return notes

"""Is a scenario what it says it is?"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.scenarios.fingerprint import Weights, trained_weights
from tests.scenarios.scenario import Scenario


@dataclass(frozen=True)
class Check:
    """One statement about a scenario: what was run, the metric it gave, and whether that is as stated."""

    what: str
    metric: float
    holds: bool


def outcome(scenario: Scenario, **arguments: Any) -> tuple[float, Weights]:
    """The metric of a training, and its last weights."""
    metrics: list[float] = []
    weights = trained_weights(lambda: metrics.append(scenario.metric(**arguments)))
    return metrics[0], weights


def checks(scenario: Scenario) -> Iterator[Check]:
    """Train the scenario in every way it makes a statement about."""
    base = outcome(scenario)
    metric = base[0]
    if scenario.bad_above is None:
        yield Check("as it is", metric, metric < scenario.ok_below)
    else:
        yield Check("faulty", metric, metric > scenario.bad_above)
        metric = scenario.metric(fixed=True)
        yield Check("fixed", metric, metric < scenario.ok_below)
    yield from others(scenario)
    for units in (2.0**10, 2.0**-10) if scenario.lawful else ():
        moved = outcome(scenario, units=units)
        yield Check(f"units × {units:g} is the same training", moved[0], moved == base)


def others(scenario: Scenario) -> Iterator[Check]:
    """Factors on the loss, and tempting changes of one number."""
    for alpha in scenario.alpha_helps:
        metric = scenario.metric(alpha=alpha)
        yield Check(f"loss × {alpha:g} helps", metric, metric < scenario.ok_below)
    for alpha in scenario.alpha_inert:
        metric = scenario.metric(alpha=alpha)
        holds = metric < scenario.ok_below if scenario.bad_above is None else metric > scenario.bad_above
        yield Check(f"loss × {alpha:g} changes nothing", metric, holds)
    for arguments in scenario.also_bad:
        metric = scenario.metric(**arguments)
        yield Check(f"{dict(arguments)} does not help", metric, metric > (scenario.bad_above or 0.0))


def verify(scenario: Scenario) -> bool:
    """Print one line of what was found, and say whether every statement holds."""
    start = time.perf_counter()
    found = list(checks(scenario))
    passed = all(check.holds for check in found)
    bounds = f"ok < {scenario.ok_below:g}" + (f", bad > {scenario.bad_above:g}" if scenario.bad_above else "")
    seconds = (time.perf_counter() - start) / len(found)
    metrics = " · ".join(f"{'' if check.holds else 'NOT: '}{check.what} {check.metric:.3g}" for check in found)
    head = f"{'PASS' if passed else 'FAIL'} {scenario.name} [{scenario.cause}; {bounds}; {seconds:.2f} s each]"
    print(head, metrics, flush=True)
    return passed

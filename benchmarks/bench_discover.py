"""How long `discover` takes: every optimizer of the installed torch, and its three ways one by one.

The promise is at most 5 s for one optimizer on two cores. What `certify` costs is compared with the runs it makes, in
the same process and the same round, because shared machines are noisy.
"""

import time

import pytest

from lossgauge.discovery.certify import Certifier
from lossgauge.discovery.discover import discover
from lossgauge.discovery.values import choose_values
from lossgauge.frameworks.registry import known_targets, subject_named
from lossgauge.frameworks.subject import Problem
from lossgauge.laws.table import read_table

OPTIMIZERS = [target for target, kind in known_targets().items() if kind != "schedule"]


@pytest.mark.parametrize("target", OPTIMIZERS)
def bench_discover(benchmark, target: str) -> None:
    benchmark.pedantic(lambda: discover(subject_named(target)), rounds=3, warmup_rounds=1)


@pytest.mark.parametrize("target", ["torch.optim:SGD", "torch.optim:Adam", "torch.optim:Muon"])
def bench_certify_against_its_runs(benchmark, target: str) -> None:
    """The extra cost of a certificate over the bare runs, as a ratio in `extra_info`."""
    subject = subject_named(target)
    choice = choose_values(subject, {})
    exponents = {n: k for n, k in read_table()[target].law.exponents.items() if n in choice.settings}

    def certify() -> tuple[float, int]:
        certifier = Certifier(subject, choice.settings, exponents)
        started = time.perf_counter()
        certifier.certify(full=False)
        return time.perf_counter() - started, certifier.runs

    def paired() -> float:
        taken, runs = certify()
        started = time.perf_counter()
        for _ in range(runs):
            subject.run(choice.settings, Problem(steps=32))
        return taken / (time.perf_counter() - started)

    ratios = sorted(paired() for _ in range(9))
    benchmark.extra_info["certificate / its runs"] = ratios[4]
    benchmark.pedantic(certify, rounds=5, warmup_rounds=1)
    print(f"{target}: certificate takes {ratios[4]:.2f} times its {certify()[1]} bare runs (median of 9 pairs)")

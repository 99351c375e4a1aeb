"""`explain` from the table: the verb alone, and the whole command in a fresh process."""

import subprocess
import sys
from pathlib import Path

from pytest_benchmark.fixture import BenchmarkFixture

from lossgauge.verbs.explain import explain

SETTINGS = {"lr": 2e-3, "eps": 1e-8, "weight_decay": 1e-4, "max_norm": 1.0}


def bench_the_verb(benchmark: BenchmarkFixture):
    assert benchmark(explain, "nadam", "1e5", settings=SETTINGS).equivalent["eps"] == 1e-3


def bench_the_command(benchmark: BenchmarkFixture):
    program = Path(sys.executable).parent / "lossgauge"
    command = [program, "explain", "nadam", "--alpha", "1e5", "--json"]
    benchmark.pedantic(subprocess.run, (command,), {"check": True, "capture_output": True}, rounds=10, warmup_rounds=1)

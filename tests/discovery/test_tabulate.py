"""The shipped table is what discovery finds on the installed optimizers."""

from dataclasses import replace
from fractions import Fraction

import pytest

from lossgauge.discovery.tabulate import tabulate_one
from lossgauge.frameworks.registry import installed_versions, known_targets
from lossgauge.laws.table import read_table, table_versions

TARGETS = known_targets()


def test_the_table_has_every_installed_target() -> None:
    assert set(read_table()) == set(TARGETS)
    assert table_versions() == installed_versions(), "run `make laws` with the pinned versions"


@pytest.mark.parametrize("target", TARGETS)
def test_the_table_is_what_discovery_finds(target: str) -> None:
    assert tabulate_one(target, TARGETS[target]).to_dict() == read_table()[target].to_dict()


def test_a_typed_entry_is_noticed() -> None:
    found = tabulate_one("torch.optim:SGD", "optimizer")
    typed = replace(found, law=replace(found.law, exponents={**found.law.exponents, "lr": Fraction(0)}))
    assert typed.to_dict() != found.to_dict()

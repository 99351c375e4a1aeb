"""The exponents of what stands beside the optimizer, against the laws of the same things in the table."""

from lossgauge.laws.companions import COMPANIONS, companion_exponent, rate_of
from lossgauge.laws.table import read_table
from tests.known_laws import TABLE

SGD, RADAM = TABLE["torch.optim:SGD"].law, TABLE["torch.optim:RAdam"].law


def test_companions_agree_with_their_own_laws():
    for table in (TABLE, read_table()):
        for name, companion in COMPANIONS.items():
            row = table.get(companion.owner)
            if row is not None and name in row.law.exponents and name not in row.law.follows:
                assert companion_exponent(name, SGD, {}) == row.law.exponents[name], name


def test_rates_follow_the_optimizer_s():
    assert companion_exponent("min_lr", SGD, {}) == -1
    assert companion_exponent("min_lr", TABLE["torch.optim:Adam"].law, {}) == 0
    assert companion_exponent("min_lr", RADAM, {}) is None
    assert rate_of(TABLE["torch.nn.utils:clip_grad_value_"].law) is None

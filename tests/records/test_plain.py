"""Records as plain data and back, whatever their fields hold."""

import json
import math

import pytest

from lossgauge.errors import InputError
from lossgauge.laws.table import row_of
from lossgauge.records.histogram import Histogram
from lossgauge.records.loss_reading import LossReading, Spread, Term
from lossgauge.records.plain import from_plain, to_plain
from lossgauge.records.session import Clip, Event, Optimizer, Sample, Step, TensorSample, Trial

RECORDS = [
    Step(3, 1, (0.5, math.inf), 2, Clip("max_norm", 1.0, 3.5, "scaled"), 65536.0, True, False),
    Sample(4, 0, 4, ({"lr": 1e-3},), (TensorSample(0, 1.0, gradient=Histogram(-3, (1, 2)), carriers={"eps": 0.5}),)),
    LossReading(1, value=2.0, terms=(Term(0, ("MseLossBackward0",), residual=Spread(0.0, 1.0, 0.7, 2.3, 3.0, 64)),),
                custom={"Mine": None, "Yours": True}, flushed={"0": 0.25}),
    Optimizer("torch.optim:Adam", ({"lr": 1e-3, "betas[0]": 0.9},), {"amsgrad": False}, 2, 10, row_of("adam").law),
    Event("plateau", 12, "cut", {"before": [1.0], "mode": "abs"}),
    Trial("LG001", {"kind": "loss", "factor": 10.0}, before=math.nan, curve=((1.0, 2.0, 3.0),)),
]  # fmt: skip


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(record).__name__)
def test_records_survive_json(record):
    text = json.dumps(to_plain(record), allow_nan=False)
    again = from_plain(type(record), json.loads(text))
    assert repr(again) == repr(record)  # by text, so that NaN equals itself
    assert type(again) is type(record)


def test_defaults_are_left_out():
    assert to_plain(Step(1)) == {"number": 1}
    assert from_plain(Step, {"number": 1}) == Step(1)


def test_unknown_fields_are_ignored():
    assert from_plain(Step, {"number": 1, "from a later version": 2}) == Step(1)


@pytest.mark.parametrize("plain", [{}, {"number": 1, "losses": 5}, [1, 2], None])
def test_anything_else_is_refused_in_one_line(plain):
    with pytest.raises(InputError, match="no Step record"):
        from_plain(Step, plain)

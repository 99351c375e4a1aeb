import math

import pytest

from lossgauge.reports.html.thinning import buckets, choose_extremes, finite, name_apart, shorten_name, spread_evenly


@pytest.mark.parametrize("count", [0, 1, 7, 300, 301, 1000, 12345])
def test_buckets_hold_everything_once(count: int):
    items = list(range(count))
    found = buckets(items, 300)
    assert [item for bucket in found for item in bucket] == items
    assert len(found) == min(count, 300)
    assert all(found)


def test_thinning_keeps_both_ends():
    assert spread_evenly(range(3), 5) == [0, 1, 2]
    kept = spread_evenly(range(1000), 7)
    assert (kept[0], kept[-1], len(kept)) == (0, 999, 7)


def test_extremes_stay_and_the_order_too():
    sizes = [5, 1, 9, 3, 7, 2, 8]
    kept = choose_extremes(range(7), lambda index: sizes[index], 3)
    assert kept == sorted(kept)
    assert {1, 2} <= set(kept)
    assert len(kept) == 3


def test_finite():
    assert finite([1.0, None, math.nan, math.inf, 0.0]) == [1.0, 0.0]


def test_names_keep_what_tells_them_apart():
    names = [
        f"model.decoder.blocks.{block}.self_attention.projection_{part}.weight" for block in (0, 11) for part in "qkv"
    ]
    short = name_apart(names)
    assert len(set(short)) == 6
    assert not any("(" in name for name in short)
    assert all(len(name) <= 34 for name in short)
    assert short[0].startswith("0.self")


def test_names_that_would_be_the_same_are_numbered():
    assert name_apart(["a", "a", "b"]) == ["a", "a (2)", "b"]
    assert name_apart(["layer.a", "layer.b"]) == ["layer.a", "layer.b"], "nothing is cut that fits"
    assert shorten_name("x" * 80) == "x" * 17 + "…" + "x" * 16
    assert name_apart([]) == []


def test_a_single_long_name_is_not_emptied():
    assert name_apart(["encoder." + "w" * 40])[0].startswith("enc")

"""Observing a step takes no more memory than one copy of the largest tensor, to the byte that is allocated."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from lossgauge.frameworks.torch.gauging import elements, statistics
from lossgauge.frameworks.torch.gauging.elements import OBSERVED
from lossgauge.frameworks.torch.gauging.room import FLOOR, HELD_SHARE, Room, room_of
from lossgauge.frameworks.torch.gauging.statistics import Before, after, before
from tests.frameworks.torch.gauging.allocations import peak
from tests.frameworks.torch.gauging.arrangements import Case, enumerate_all

RECORDS = 200_000
"""Bytes of Python's own objects: samples with their histograms, what is imported at the first call."""
MODELS = {
    "small": [100, 5000, 30],
    "one of a size": [FLOOR // 4],
    "many of a size": [FLOOR // 4] * 48,
    "many of many sizes": [FLOOR // 4 - 100 * i for i in range(48)],
    "one large, many small": [2**20, *[10_000] * 30],
}
OPTIMIZERS = [
    Case("SGD", dict(momentum=0.9, weight_decay=0.1)),
    Case("Adam"),
    Case("Adam", dict(amsgrad=True, weight_decay=0.1)),
    Case("RMSprop", dict(centered=True, momentum=0.9)),
    Case("Adagrad", dict(initial_accumulator_value=0.1)),
    Case("Rprop"),
]


def prepared(case: Case, sizes: list[int]) -> tuple[torch.optim.Optimizer, list[Any]]:
    torch.manual_seed(0)
    weights = [nn.Parameter(torch.randn(size)) for size in sizes]
    optimizer = getattr(torch.optim, case.name)(weights, **case.settings)
    for _ in range(2):
        for weight in weights:
            weight.grad = torch.randn_like(weight)
        optimizer.step()
    return optimizer, enumerate_all([(weight, optimizer.param_groups[0]) for weight in weights])


def held(start: Before) -> int:
    found = sum(piece.weight.nbytes + sum(s.nbytes for s in piece.state.values()) for piece in start.pieces.values())
    for one in start.sightings:
        found += one.weight.nbytes + (0 if one.blocks is None else one.blocks.bytes)
        found += sum(truths.nbytes for truths in (one.driven, one.tried.slight) if truths is not None)
    return found


def taken(case: Case, sizes: list[int], closure: bool) -> tuple[int, int]:
    """Bytes at the peak of a sample, and the promise."""
    optimizer, watched = prepared(case, sizes)
    law = case.law(optimizer)
    after(before(optimizer, watched, law, True, closure))  # what is imported and cached at the first call
    elements.positions.cache_clear()
    first, start = peak(lambda: before(optimizer, watched, law, True, closure))
    between = held(start)
    optimizer.step()
    second, _ = peak(lambda: after(start))
    return max(first, between + second), max(FLOOR, 4 * max(sizes))


@pytest.mark.parametrize("closure", [False, True], ids=["gradients", "closure"])
@pytest.mark.parametrize("sizes", MODELS.values(), ids=MODELS)
@pytest.mark.parametrize("case", OPTIMIZERS, ids=str)
def test_a_sample_takes_at_most_one_copy_of_the_largest_tensor(case: Case, sizes: list[int], closure: bool):
    found, promised = taken(case, sizes, closure)
    assert found <= promised + RECORDS


def test_more_would_be_noticed(monkeypatch: pytest.MonkeyPatch):
    def generous(optimizer: Any, watched: Any, waiting: bool = False) -> Room:
        return replace(room_of(optimizer, watched, waiting), size=4 * FLOOR)

    monkeypatch.setattr(statistics, "room_of", generous)
    found, promised = taken(Case("Adam"), MODELS["many of a size"], False)
    assert found > promised + RECORDS


def test_what_is_held_is_foreseen():
    for sizes in MODELS.values():
        for closure in (False, True):
            optimizer, watched = prepared(Case("Adam"), sizes)
            found = room_of(optimizer, [tensor for _, tensor, _ in watched], closure)
            elements.positions.cache_clear()
            start = before(optimizer, watched, Case("Adam").law(optimizer), True, closure)
            assert held(start) <= found.held <= HELD_SHARE * found.size
            assert found.held < 3 * held(start)


def test_small_models_are_observed_whole_and_large_ones_as_far_as_there_is_room():
    small, watched = prepared(Case("Adam"), MODELS["small"])
    assert room_of(small, [tensor for _, tensor, _ in watched]).most >= 5000
    one, watched = prepared(Case("Adam"), [4 * FLOOR])
    assert room_of(one, [tensor for _, tensor, _ in watched]) == Room(16 * FLOOR, OBSERVED * 10, OBSERVED)
    many, watched = prepared(Case("Adam"), MODELS["many of many sizes"])
    found = room_of(many, [tensor for _, tensor, _ in watched])
    assert 700 < found.most < 1000
    assert room_of(many, [tensor for _, tensor, _ in watched], waiting=True).most < found.most / 2
    assert room_of(many, []).held == 0


def test_lots_hold_neighbours_and_never_nothing_but_at_the_end():
    assert Room(80 * 100).lots([60, 50, 40, 500, 1]) == [range(0, 1), range(1, 3), range(3, 4), range(4, 5)]
    assert Room(0).lots([]) == [range(0, 0)]
    assert Room(0).lots([7, 7]) == [range(0, 1), range(1, 2)]


def test_in_half_precision_a_copy_is_half_as_much():
    weights = [torch.zeros(FLOOR, dtype=dtype) for dtype in (torch.float32, torch.bfloat16)]
    sizes = [room_of(torch.optim.SGD([weight]), [weight]).size for weight in weights]
    assert sizes == [4 * FLOOR, 2 * FLOOR]

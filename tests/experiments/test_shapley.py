"""Shapley values against other ways of computing them, and against their axioms."""

import math
import random
from fractions import Fraction
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lossgauge.experiments.shapley import (
    Coalition,
    coalitions_of,
    contributions,
    draw_orders,
    estimated_contributions,
    interactions,
    steps_of,
)

PLAYERS = ("a", "b", "c", "d")
Game = dict[Coalition, Fraction]


def game(players: tuple[str, ...], seed: int) -> Game:
    generator = random.Random(seed)
    return {some: Fraction(generator.uniform(-1, 1)) for some in coalitions_of(players)}


def by_orders(players: tuple[str, ...], values: Game) -> dict[str, Fraction]:
    """The definition: the mean over all orders of what a player adds when it comes."""
    added = dict.fromkeys(players, Fraction(0))
    for order in permutations(players):
        for place, player in enumerate(order):
            added[player] += values[frozenset(order[: place + 1])] - values[frozenset(order[:place])]
    return {player: total / math.factorial(len(players)) for player, total in added.items()}


@given(st.integers(1, 5), st.integers(0, 10**6))
@settings(max_examples=30, deadline=None)
def test_the_formula_is_the_mean_over_all_orders(count: int, seed: int):
    players = tuple("abcde"[:count])
    values = game(players, seed)
    found = contributions(players, values.__getitem__)
    assert {player: one.value for player, one in found.items()} == by_orders(players, values)
    total = values[frozenset(players)] - values[frozenset()]
    assert sum(one.value for one in found.values()) == total, "exactly, without any correction"
    assert all(one.low == one.high == float(one.value) for one in found.values())


def test_a_player_without_influence_gets_nothing_and_equal_ones_the_same():
    values = {some: Fraction(len(some & {"a", "b"}) ** 2) for some in coalitions_of(PLAYERS)}
    found = contributions(PLAYERS, values.__getitem__)
    assert found["c"].value == found["d"].value == 0
    assert found["a"].value == found["b"].value == 2


def test_interactions_of_a_product_and_of_an_either_or():
    both = {some: Fraction("a" in some and "b" in some) for some in coalitions_of(PLAYERS)}
    found = interactions(PLAYERS, both.__getitem__)
    assert found == {pair: Fraction(pair == ("a", "b")) for pair in found}
    assert len(found) == 6
    either = {some: Fraction("a" in some or "b" in some) for some in coalitions_of(PLAYERS)}
    assert interactions(PLAYERS, either.__getitem__)["a", "b"] == -1
    alone = {some: Fraction(len(some)) for some in coalitions_of(PLAYERS)}
    assert set(interactions(PLAYERS, alone.__getitem__).values()) == {Fraction(0)}


def test_drawn_orders_come_in_pairs_and_keep_to_their_budget():
    players = tuple("abcdefgh")
    orders = draw_orders(players, 64)
    assert orders == draw_orders(players, 64), "the same ones every time"
    assert orders != draw_orders(players, 64, seed=1)
    assert all(one == other[::-1] for one, other in zip(orders[::2], orders[1::2], strict=True))
    assert all(sorted(order) == list(players) for order in orders)
    met = {some for order in orders for some in steps_of(order)}
    assert 40 < len(met) <= 64
    assert len(draw_orders(players, 1)) == 6, "three pairs, for an interval"


@pytest.mark.parametrize("seed", range(5))
def test_estimates_add_up_and_their_intervals_hold_the_truth(seed: int):
    players = tuple("abcdefg")
    values = game(players, seed)
    orders = draw_orders(players, 100, seed)
    found = estimated_contributions(orders, values.__getitem__)
    assert sum(one.value for one in found.values()) == values[frozenset(players)] - values[frozenset()]
    true = contributions(players, values.__getitem__)
    held = [found[player].low <= float(true[player].value) <= found[player].high for player in players]
    assert sum(held) >= len(players) - 2
    assert all(one.low < one.high for one in found.values())


def test_an_estimate_of_a_game_without_interactions_is_exact():
    worth = {player: Fraction(place) for place, player in enumerate("abcdefg")}
    found = estimated_contributions(
        draw_orders(tuple(worth), 30), lambda some: sum((worth[p] for p in some), Fraction(0))
    )
    assert {player: one.value for player, one in found.items()} == worth
    assert all(one.low == one.high for one in found.values())

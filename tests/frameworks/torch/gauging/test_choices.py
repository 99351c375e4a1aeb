"""Losses that are written as a loop over samples: an episode of a policy, a batch taken one by one."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributions import Categorical

from lossgauge.frameworks.torch.gauging.reading import read_loss
from lossgauge.frameworks.torch.gauging.terms import FEW, MOST_TERMS
from lossgauge.records.loss_reading import Term

Episode = tuple[list[Tensor], list[Tensor], list[float]]


def added(summands: list[Tensor]) -> Tensor:
    """A sum as a loop writes it."""
    total: Any = 0
    for summand in summands:
        total = total + summand
    return total


def weighted(logs: list[Tensor], rewards: list[float]) -> list[Tensor]:
    return [-log * reward for log, reward in zip(logs, rewards, strict=True)]


POLICIES: dict[str, Callable[[list[Tensor], list[float]], Tensor]] = {
    "row of products": lambda logs, rewards: torch.stack(weighted(logs, rewards)).sum(),
    "row of products, cat": lambda logs, rewards: torch.cat([log.view(1) for log in weighted(logs, rewards)]).mean(),
    "row times rewards": lambda logs, rewards: -(torch.stack(logs) * torch.tensor(rewards)).sum(),
    "row times rewards, mean": lambda logs, rewards: -(torch.stack(logs) * torch.tensor(rewards)).mean(),
    "dot product": lambda logs, rewards: -torch.stack(logs) @ torch.tensor(rewards),
    "loop": lambda logs, rewards: added(weighted(logs, rewards)),
    "loop, divided": lambda logs, rewards: added(weighted(logs, rewards)) / len(logs),
}


def episode(length: int) -> Episode:
    torch.manual_seed(length)
    actor, critic = nn.Linear(3, 2), nn.Linear(3, 1)
    logs, values = [], []
    for _ in range(length):
        state = torch.randn(3)
        policy = Categorical(logits=actor(state))
        logs.append(policy.log_prob(policy.sample()))
        values.append(critic(state))
    return logs, values, torch.randn(length).tolist()


def terms_of(loss: Tensor) -> list[Term]:
    return list(read_loss(loss, step=1).terms)


@pytest.mark.parametrize("length", [FEW + 1, MOST_TERMS, MOST_TERMS + 1, 100])
@pytest.mark.parametrize("way", POLICIES)
def test_an_episode_is_one_policy_term_however_long_it_is(way: str, length: int):
    logs, values, rewards = episode(length)
    (alone,) = terms_of(POLICIES[way](logs, rewards))
    assert alone.kind == "policy"
    critic = torch.stack([F.smooth_l1_loss(v, torch.tensor([r])) for v, r in zip(values, rewards, strict=True)]).sum()
    found = terms_of(POLICIES[way](logs, rewards) + 0.5 * critic)
    if way != "loop":  # one loop beside another is one long sum
        assert [term.kind for term in found] == ["policy", "regression"]


@pytest.mark.parametrize("length", [FEW + 1, MOST_TERMS + 1])
def test_a_batch_taken_one_by_one_is_no_policy(length: int):
    logs, values, _ = episode(length)
    for loss in (-torch.stack(logs).mean(), torch.stack([-log for log in logs]).sum(), added([-log for log in logs])):
        (term,) = terms_of(loss)
        assert term.kind == "classification"
    (term,) = terms_of(torch.stack([F.mse_loss(value, torch.ones(1)) for value in values]).mean())
    assert term.kind == "regression"


def test_cross_entropies_of_actions_times_advantages_are_a_policy():
    model, actions = nn.Linear(3, 4), torch.randint(0, 4, (9, 1))
    losses = [F.cross_entropy(model(torch.randn(1, 3)), action) for action in actions]
    advantages = torch.randn(9)
    rewarded = [loss * float(advantage) for loss, advantage in zip(losses, advantages, strict=True)]
    weighted_by_class = [loss * (1.0 + place % 2) for place, loss in enumerate(losses)]
    for summands, kind in ((rewarded, "policy"), (losses, "classification"), (weighted_by_class, "classification")):
        (term,) = terms_of(torch.stack(summands).sum())
        assert term.kind == kind
    (term,) = terms_of((torch.stack(losses) * advantages).mean())
    assert term.kind == "policy"


def test_several_tasks_stay_several_terms():
    """Each is reduced over a batch; that is what tells a task from a sample."""
    model, x = nn.Linear(3, 2 * FEW), torch.randn(5, 3)
    losses = [F.mse_loss(column, torch.zeros(5)) for column in model(x).T]
    assert len(terms_of(torch.stack(losses).sum())) == 2 * FEW
    assert len(terms_of(added(losses))) == 2 * FEW
    few = [F.mse_loss(column[:1], torch.zeros(1)) for column in model(x).T][:FEW]
    assert len(terms_of(torch.stack(few).sum())) == FEW

"""Actor and critic on a small decision problem: one step, four actions, a reward for the right one."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_
from torch.optim import Adam

from tests.scenarios.data import seeded
from tests.scenarios.scenario import scenario


def situations(items: int, source: torch.Generator) -> tuple[Tensor, Tensor]:
    """States, and the action that is right: it depends on products of the inputs."""
    state = torch.randn(items, 4, generator=source)
    return state, 2 * (state[:, 0] * state[:, 1] > 0).long() + (state[:, 2] > 0).long()


@scenario(
    "reward-scale",
    bad_above=0.4,
    ok_below=0.2,
    fix="rewards divided by their spread",
    alpha_inert=(1e-3, 1e-6),
)
def rewards_in_cents(fixed=False, alpha=1.0, units=1.0):
    """Policy and value share a trunk; a reward of 1000 makes the value loss a million, the policy's a thousand."""
    source = seeded(0)
    torch.manual_seed(0)
    trunk = nn.Sequential(nn.Linear(4, 32), nn.Tanh())
    policy, value = nn.Linear(32, 4), nn.Linear(32, 1)
    model = nn.ModuleList([trunk, policy, value])
    optimizer = Adam(model.parameters(), lr=1e-2, eps=units * 1e-8)
    reward_scale = 1.0 if fixed else 1000.0
    for _ in range(350):
        state, right = situations(256, source)
        features = trunk(state)
        logs = torch.log_softmax(policy(features), 1)
        action = torch.multinomial(logs.detach().exp(), 1, generator=source)
        reward = reward_scale * (action == right[:, None]).float()
        estimate = value(features)
        policy_loss = -(logs.gather(1, action) * (reward - estimate.detach())).mean()
        loss = policy_loss + 0.5 * F.mse_loss(estimate, reward)
        optimizer.zero_grad()
        (alpha * units * loss).backward()
        optimizer.step()
    state, right = situations(1000, source)
    with torch.no_grad():
        return float((policy(trunk(state)).argmax(1) != right).double().mean())


@scenario(
    "clip-then-eps",
    bad_above=0.4,
    ok_below=0.2,
    fix="rewards divided by their spread, or a clip for each network",
    alpha_inert=(1e3, 1e-3),
    lawful=False,
)
def critic_that_uses_up_the_norm(fixed=False, alpha=1.0, units=1.0):
    """The well-known defaults, one clip at 0.5 over both networks and eps = 1e-5, with rewards of 10 000."""
    source = seeded(1)
    torch.manual_seed(1)
    actor = nn.Sequential(nn.Linear(4, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 4))
    critic = nn.Sequential(nn.Linear(4, 32), nn.Tanh(), nn.Linear(32, 1))
    parameters = [*actor.parameters(), *critic.parameters()]
    optimizer = Adam(parameters, lr=1e-2, eps=units * 1e-5)
    reward_scale = 1.0 if fixed else 1e4
    for _ in range(70):
        state, right = situations(256, source)
        with torch.no_grad():
            before = torch.log_softmax(actor(state), 1)
            action = torch.multinomial(before.exp(), 1, generator=source)
            reward = reward_scale * (action == right[:, None]).float()
            advantage = reward - critic(state)
            advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
        for _ in range(4):
            logs = torch.log_softmax(actor(state), 1)
            ratio = (logs - before).gather(1, action).exp()
            gain = torch.min(ratio * advantage, ratio.clamp(0.8, 1.2) * advantage).mean()
            entropy = -(logs.exp() * logs).sum(1).mean()
            loss = -gain + 0.5 * F.mse_loss(critic(state), reward) - 0.01 * entropy
            optimizer.zero_grad()
            (alpha * units * loss).backward()
            clip_grad_norm_(parameters, units * 0.5)
            optimizer.step()
    state, right = situations(1000, source)
    with torch.no_grad():
        return float((actor(state).argmax(1) != right).double().mean())

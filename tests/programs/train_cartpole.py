"""An actor and a critic learn to balance a pole on a cart."""

import argparse
import hashlib
import math
import random

import torch
from torch import nn
from torch.distributions import Categorical
from torch.nn.functional import smooth_l1_loss

parser = argparse.ArgumentParser()
parser.add_argument("--episodes", type=int, default=60)
parser.add_argument("--discount", type=float, default=0.99)
parser.add_argument("--seed", type=int, default=5)
args = parser.parse_args()
random.seed(args.seed)
torch.manual_seed(args.seed)


class Cart:
    """A pole of one metre and 100 g on a cart of one kilogramme, pushed to the left or right with ten newtons."""

    def reset(self):
        self.state = [random.uniform(-0.05, 0.05) for _ in range(4)]
        return torch.tensor(self.state)

    def step(self, right):
        place, speed, angle, turning = self.state
        sin, cos = math.sin(angle), math.cos(angle)
        pushed = ((10.0 if right else -10.0) + 0.05 * turning**2 * sin) / 1.1
        falling = (9.8 * sin - cos * pushed) / (0.5 * (4 / 3 - 0.1 * cos**2 / 1.1))
        pushed -= 0.05 * falling * cos / 1.1
        self.state = [
            place + 0.02 * speed,
            speed + 0.02 * pushed,
            angle + 0.02 * turning,
            turning + 0.02 * falling,
        ]
        return torch.tensor(self.state), abs(self.state[0]) > 2.4 or abs(self.state[2]) > 0.21


class ActorCritic(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(4, 64), nn.ReLU())
        self.actor, self.critic = nn.Linear(64, 2), nn.Linear(64, 1)

    def forward(self, state):
        hidden = self.body(state)
        return Categorical(logits=self.actor(hidden)), self.critic(hidden).squeeze(-1)


cart, model = Cart(), ActorCritic()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)


def play():
    """One episode: the logarithms of the probabilities, the critic's values, and how often the pole was still up."""
    state, log_probs, values = cart.reset(), [], []
    for _ in range(200):
        policy, value = model(state)
        action = policy.sample()
        log_probs.append(policy.log_prob(action))
        values.append(value)
        state, fallen = cart.step(action.item())
        if fallen:
            break
    return torch.stack(log_probs), torch.stack(values), [1.0] * len(values)


def train():
    average = 0.0
    for episode in range(1, args.episodes + 1):
        log_probs, values, rewards = play()
        returns, following = [], 0.0
        for reward in reversed(rewards):
            following = reward + args.discount * following
            returns.append(following)
        returns = torch.tensor(returns[::-1])
        returns = (returns - returns.mean()) / (returns.std() + 1e-8)
        advantage = returns - values.detach()
        loss = -(log_probs * advantage).sum() + smooth_l1_loss(values, returns, reduction="sum")
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        average = 0.9 * average + 0.1 * len(rewards) if episode > 1 else len(rewards)
        if episode % 20 == 0:
            print(f"episode {episode}: {len(rewards)} steps, {average:.1f} on average")


if __name__ == "__main__":
    train()
    print(hashlib.sha256(b"".join(p.detach().numpy().tobytes() for p in model.parameters())).hexdigest())

"""Two networks against each other: a generator learns to put points on a ring."""

import hashlib

import torch
import torch.nn as nn

torch.manual_seed(3)
batch, noise = 64, 8

generator = nn.Sequential(nn.Linear(noise, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 2))
critic = nn.Sequential(nn.Linear(2, 32), nn.LeakyReLU(0.2), nn.Linear(32, 32), nn.LeakyReLU(0.2), nn.Linear(32, 1))
bce = nn.BCEWithLogitsLoss()
opt_g = torch.optim.Adam(generator.parameters(), lr=1e-3, betas=(0.5, 0.999))
opt_d = torch.optim.Adam(critic.parameters(), lr=1e-3, betas=(0.5, 0.999))
true, false = torch.ones(batch, 1), torch.zeros(batch, 1)


def real_points():
    angle = 6.2832 * torch.rand(batch)
    return torch.stack((angle.cos(), angle.sin()), dim=1) + 0.05 * torch.randn(batch, 2)


for step in range(1, 201):
    made = generator(torch.randn(batch, noise))

    opt_d.zero_grad()
    loss_real = bce(critic(real_points()), true)
    loss_real.backward()
    loss_made = bce(critic(made.detach()), false)
    loss_made.backward()
    opt_d.step()

    opt_g.zero_grad()
    loss_g = bce(critic(made), true)
    loss_g.backward()
    opt_g.step()

    if step % 50 == 0:
        print(f"step {step}: D {loss_real.item() + loss_made.item():.4f}, G {loss_g.item():.4f}")

weights = [p.detach().numpy().tobytes() for network in (generator, critic) for p in network.parameters()]
print(hashlib.sha256(b"".join(weights)).hexdigest())

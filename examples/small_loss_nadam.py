"""A network with a small quadratic loss under Nadam, as one would write it. As it stands it does not train.

    python examples/small_loss_nadam.py                      # stuck: error 0.996 of the targets' variance
    python examples/small_loss_nadam.py --multiply 1e5       # the loss multiplied by 1e5: it trains
    python examples/small_loss_nadam.py --eps 1e-13          # epsilon divided by 1e5: it trains, the same way

`lossgauge explain nadam --alpha 1e5` says why the last two are the same, and
`lossgauge prove examples/small_loss_nadam.py --alpha 2**17` proves it on this very script, bit for bit.
"""

import argparse
import itertools
import math

import torch
from torch import nn


def make_data(points: int = 256, inputs: int = 8) -> tuple[torch.Tensor, torch.Tensor]:
    """Standardised targets of a smooth function of random inputs."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(points, inputs, generator=generator)
    inner = torch.randn(inputs, 4, generator=generator) / math.sqrt(inputs)
    outer = torch.randn(4, 1, generator=generator)
    y = torch.tanh(2 * x @ inner) @ outer
    return x, (y - y.mean()) / y.std()


def make_network() -> nn.Module:
    """Six hidden layers of sigmoids, 8-32-32-32-32-32-32-1."""
    torch.manual_seed(0)
    sizes = [8, 32, 32, 32, 32, 32, 32, 1]
    layers: list[nn.Module] = []
    for before, after in itertools.pairwise(sizes):
        layers += [nn.Linear(before, after), nn.Sigmoid()]
    return nn.Sequential(*layers[:-1])


def main() -> None:
    """Train and print the error."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--multiply", type=float, default=1.0, help="factor on the loss")
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--eps", type=float, default=1e-8)
    parser.add_argument("--steps", type=int, default=1200)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    x, y = make_data()
    network = make_network()
    optimizer = torch.optim.NAdam(network.parameters(), lr=arguments.lr, eps=arguments.eps)
    for _ in range(arguments.steps):
        optimizer.zero_grad()
        loss = 1e-6 * ((network(x) - y) ** 2).mean()  # errors in units a thousand times too small
        (arguments.multiply * loss).backward()
        optimizer.step()
    with torch.no_grad():
        error = ((network(x) - y) ** 2).mean() / y.var()
    print(f"error after {arguments.steps} steps: {error:.4f} of the targets' variance")


if __name__ == "__main__":
    main()

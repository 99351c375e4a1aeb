"""Scripts as users write them, written to a folder of their own."""

from pathlib import Path

SCRIPT = """
import argparse, sys
import torch
from torch import nn
from neighbour import WIDTH  # a module beside the script
from torch.optim import Adam

parser = argparse.ArgumentParser()
parser.add_argument("--steps", type=int, default=4)
parser.add_argument("--fail", action="store_true")
parser.add_argument("--leave", type=int)
options = parser.parse_args()

class Tweaked(Adam):
    pass

def main():
    torch.manual_seed(0)
    model = nn.Linear(WIDTH, 1)
    x = torch.randn(8, WIDTH)
    optimizer = Tweaked(model.parameters(), lr=1e-2, eps=1e-3)
    for _ in range(options.steps):
        optimizer.zero_grad()
        (model(x) ** 2).mean().backward()
        optimizer.step()
    if options.fail:
        raise ValueError("the script's own mistake")
    if options.leave is not None:
        sys.exit(options.leave)
    print("trained", __name__, sys.argv[1:])
    return model

if __name__ == "__main__":
    model = main()
"""

LAWS = """
import sys
from fractions import Fraction
from lossgauge.laws.law import Law
from lossgauge.laws.verdict import Verdict

def law_of(optimizer):
    assert sys.modules["__main__"].Tweaked is type(optimizer)
    powers = {"lr": 0, "eps": 1, "weight_decay": 1, "betas[0]": 0, "betas[1]": 0}
    return Law("__main__:Tweaked", Verdict.EXACT, {name: Fraction(power) for name, power in powers.items()})
"""


def write_script(folder: Path) -> Path:
    """The script, a module beside it, and the law of its optimizer."""
    (folder / "neighbour.py").write_text("WIDTH = 3\n")
    (folder / "handmade_laws.py").write_text(LAWS)
    script = folder / "train.py"
    script.write_text(SCRIPT)
    return script

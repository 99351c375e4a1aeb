"""Scripts that train, each in a way of its own, and print a digest of everything they leave."""

START = """
import hashlib, os, random, sys
import numpy as np
import torch
from torch import nn

random.seed(0); np.random.seed(0); torch.manual_seed(0)
model = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Dropout(0.3), nn.Tanh(), nn.Linear(6, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)

def train(steps):
    for step in range(steps):
        optimizer.zero_grad()
        x = torch.randn(16, 4)
        loss = (model(x) - x.sum(1, keepdim=True)).pow(2).mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()

def tell():
    left = [*model.state_dict().values(), torch.get_rng_state()]
    left += [p.grad for p in model.parameters() if p.grad is not None]
    left += [v for state in optimizer.state.values() for v in state.values()]
    text = b"".join(t.numpy().tobytes() for t in left) + repr((random.random(), np.random.rand())).encode()
    hooks = [len(vars(m)[n]) for m in model.modules() for n in vars(m) if "_hooks" in n and vars(m)[n] is not None]
    hooks += [len(p._backward_hooks or ()) for p in model.parameters()]
    print(hashlib.sha256(text).hexdigest(), sum(hooks), torch.get_num_threads(), flush=True)
"""
LOADER = """
from torch.utils.data import DataLoader, Dataset
class Numbers(Dataset):
    def __len__(self):
        return 64
    def __getitem__(self, index):
        return torch.full((4,), index / 64) + torch.rand(4)
def load(context):
    loader = DataLoader(Numbers(), batch_size=16, shuffle=True, num_workers=2, multiprocessing_context=context)
    for x in loader:
        optimizer.zero_grad()
        model(x).pow(2).mean().backward()
        optimizer.step()
"""
TRAINED = {
    "plainly": START + "train(30); tell()",
    "with_threads_set": "import os; os.environ['OMP_NUM_THREADS'] = '2'\n" + START + "train(3); tell()",
    "in_a_thread": START
    + """
import threading
thread = threading.Thread(target=train, args=(12,))
thread.start(); thread.join()
tell()
""",
    "in_a_thread_at_the_end": START
    + """
import threading, time
def late():
    time.sleep(1)
    train(12)
    tell()
threading.Thread(target=late).start()
""",
    "with_workers": START + LOADER + "load('fork'); tell()",
    "with_spawned_workers": START + LOADER + "if __name__ == '__main__':\n    load('spawn'); tell()",
    "looking_for_torch_first": "import importlib.util\nassert importlib.util.find_spec('torch').loader\n"
    + START
    + "assert type(torch.__loader__).__name__ == 'SourceFileLoader', torch.__loader__\ntrain(5); tell()",
    "failing": START + "train(10); tell()\nraise ValueError('half way')",
    "failing_inside": START + "train(3); tell()\nmodel(torch.randn(4, 4)).backward()",
    "failing_in_a_step": START
    + """
class Own(torch.optim.SGD):
    def step(self, closure=None):
        raise KeyError("own")
Own(model.parameters(), lr=0.1).step()
""",
    "killed": START + "train(20); tell(); os.kill(os.getpid(), 9)",
    "left_at_once": START + "train(20); tell(); os._exit(0)",
    "left": START + "train(4); tell(); sys.exit(4)",
    "without_steps": START + "tell()",
    "broken": START
    + """
x = torch.full((16, 4), float("nan"))
for _ in range(6):
    optimizer.zero_grad()
    model(x).mean().backward()
    optimizer.step()
tell()
""",
    "by_an_unknown_optimizer": START
    + """
class Own(torch.optim.Optimizer):
    def __init__(self, params, lr=0.1):
        super().__init__(params, {"lr": lr})
    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                p -= group["lr"] * p.grad
optimizer = Own(model.parameters())
train(6); tell()
""",
    "in_a_fork": START
    + """
child = os.fork()
if not child:
    train(7)
    print(model[0].weight.sum().item(), flush=True)
    os._exit(0)
os.waitpid(child, 0)
""",
    "in_an_exit_function": START + "import atexit\natexit.register(lambda: (train(3), tell()))",
}
"""By name, the text of a script."""

"""Train a small GPT on characters: one plain file, no library around the loop."""

import hashlib
import math
import random
import time
from contextlib import nullcontext

import torch
import torch.nn as nn
import torch.nn.functional as F

# settings ------------------------------------------------------------------------------------------------------------
device = "cpu"
dtype = torch.float32
context_length = 32
layers, heads, width, dropout = 2, 2, 32, 0.0
batch_size, micro_batches = 8, 2
max_lr, min_lr, warmup_steps, max_steps = 5e-3, 5e-4, 10, 200
weight_decay, betas, grad_clip = 0.1, (0.9, 0.95), 1.0

torch.manual_seed(1)
random.seed(1)
autocast = nullcontext() if device == "cpu" else torch.autocast(device, dtype=dtype)

# data: sentences of a small grammar ----------------------------------------------------------------------------------
nouns, verbs = ["the cat", "a dog", "my aunt"], ["sees", "likes"]
text = " ".join(f"{random.choice(nouns)} {random.choice(verbs)} {random.choice(nouns)}." for _ in range(2000))
alphabet = sorted(set(text))
tokens = torch.tensor([alphabet.index(character) for character in text])
split = int(0.9 * len(tokens))
corpus = {"train": tokens[:split], "val": tokens[split:]}


def draw_batch(which):
    source = corpus[which]
    starts = torch.randint(len(source) - context_length - 1, (batch_size,)).tolist()
    rows = torch.stack([source[s : s + context_length + 1] for s in starts]).to(device)
    return rows[:, :-1], rows[:, 1:]


# model ---------------------------------------------------------------------------------------------------------------
class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)

    def forward(self, x):
        batch, length, _ = x.shape
        q, k, v = self.qkv(x).view(batch, length, 3, heads, width // heads).permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(q, k, v, dropout_p=dropout if self.training else 0.0, is_causal=True)
        return self.out(y.transpose(1, 2).reshape(batch, length, width))


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm1, self.attention = nn.LayerNorm(width), Attention()
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width), nn.Dropout(dropout)
        )

    def forward(self, x):
        x = x + self.attention(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class GPT(nn.Module):
    def __init__(self, vocabulary):
        super().__init__()
        self.token = nn.Embedding(vocabulary, width)
        self.position = nn.Embedding(context_length, width)
        self.blocks = nn.ModuleList(Block() for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, vocabulary, bias=False)
        self.head.weight = self.token.weight  # tied
        for name, p in self.named_parameters():
            if p.dim() >= 2:
                nn.init.normal_(p, std=0.02 / (math.sqrt(2 * layers) if "out" in name else 1))

    def forward(self, x, targets):
        h = self.token(x) + self.position(torch.arange(x.shape[1], device=x.device))
        for block in self.blocks:
            h = block(h)
        logits = self.head(self.norm(h))
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=-1)


model = GPT(len(alphabet)).to(device)
matrices = [p for p in model.parameters() if p.dim() >= 2]
vectors = [p for p in model.parameters() if p.dim() < 2]
optimizer = torch.optim.AdamW(
    [{"params": matrices, "weight_decay": weight_decay}, {"params": vectors, "weight_decay": 0.0}],
    lr=max_lr,
    betas=betas,
)
scaler = torch.amp.GradScaler(device, enabled=(dtype == torch.float16))


def lr_at(step):
    if step < warmup_steps:
        return max_lr * (step + 1) / warmup_steps
    done = (step - warmup_steps) / (max_steps - warmup_steps)
    return min_lr + 0.5 * (max_lr - min_lr) * (1 + math.cos(math.pi * done))


@torch.no_grad()
def evaluate():
    model.eval()
    means = {which: torch.stack([model(*draw_batch(which)) for _ in range(4)]).mean().item() for which in corpus}
    model.train()
    return means


# loop ----------------------------------------------------------------------------------------------------------------
started = time.time()
for step in range(max_steps):
    for group in optimizer.param_groups:
        group["lr"] = lr_at(step)
    for _ in range(micro_batches):
        x, y = draw_batch("train")
        with autocast:
            loss = model(x, y) / micro_batches
        scaler.scale(loss).backward()
    if grad_clip:
        scaler.unscale_(optimizer)
        torch.nn.utils.clip_grad_norm_(model.parameters(), grad_clip)
    scaler.step(optimizer)
    scaler.update()
    optimizer.zero_grad(set_to_none=True)
    if (step + 1) % 50 == 0:
        means = evaluate()
        print(f"step {step + 1}: train {means['train']:.4f}, val {means['val']:.4f}")

print(hashlib.sha256(b"".join(p.detach().numpy().tobytes() for p in model.parameters())).hexdigest())

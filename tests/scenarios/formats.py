"""Half precision and bfloat16: what is too small for them."""

import torch
import torch.nn.functional as F
from torch import nn
from torch.optim import SGD, Adam, AdamW, RMSprop

from tests.scenarios.data import clusters, dense, minibatches, mistakes, plane, seeded, unexplained, waves
from tests.scenarios.scenario import scenario


@scenario(
    "eps-underflows-in-half",
    bad_above=0.5,
    ok_below=0.1,
    fix="weights in float32",
    lawful=False,
)
def half_embeddings_of_rare_words(fixed=False, alpha=1.0, units=1.0):
    """Embeddings and head in half precision; words that a batch lacks have a gradient of 0, and eps is 0, too."""
    source = seeded(0)
    labels = torch.randint(4, (300,), generator=source)
    words = labels[:, None] * 50 + torch.randint(50, (300, 6), generator=source)
    torch.manual_seed(0)
    table, head = nn.Embedding(200, 16), nn.Linear(16, 4)
    model = nn.ModuleList([table, head])
    if not fixed:
        model.half()
    optimizer = AdamW(model.parameters(), lr=1e-2)
    for texts, topics in minibatches(words, labels, 32, steps=150):
        loss = alpha * units * F.cross_entropy(head(table(texts).mean(1)).float(), topics)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        logits = head(table(words).mean(1))
    return float((logits.argmax(1) != labels).double().mean()) if torch.isfinite(logits).all() else 1.0


@scenario(
    "eps-underflows-in-half",
    bad_above=0.9,
    ok_below=0.15,
    fix="weights in float32",
    lawful=False,
)
def half_network_under_rmsprop(fixed=False, alpha=1.0, units=1.0):
    """A ReLU network turned to half precision to save memory; some units are silent in the first batch."""
    x, y = waves(seed=1)
    dtype = torch.float32 if fixed else torch.float16
    model = dense(6, 48, 48, 1, activation=nn.ReLU).to(dtype)
    optimizer = RMSprop(model.parameters(), lr=1e-3, eps=1e-8)
    for inputs, targets in minibatches(x.to(dtype), y, 32, steps=300):
        loss = F.mse_loss(model(inputs).float(), targets)
        optimizer.zero_grad()
        (alpha * units * loss).backward()
        optimizer.step()
    return unexplained(model, x.to(dtype), y)


@scenario(
    "fp16-gradient-underflow",
    bad_above=0.4,
    ok_below=0.1,
    fix="GradScaler, or bfloat16, or loss × 2¹⁴",
    alpha_helps=(2.0**14,),
    lawful=False,
)
def tokens_tagged_in_half_precision(fixed=False, alpha=1.0, units=1.0):
    """Every token of a long batch is tagged under autocast; an auxiliary loss: weight 1e-4, mean over 4096 tokens."""
    x, y = clusters(items=4096, kinds=6, seed=2)
    model = dense(8, 32, 6, activation=nn.ReLU)
    optimizer = Adam(model.parameters(), lr=5e-3, eps=1e-14)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**14, enabled=fixed)
    for _ in range(60):
        optimizer.zero_grad()
        with torch.autocast("cpu", dtype=torch.float16):
            logits = model(x)
        loss = alpha * units * 1e-4 * F.cross_entropy(logits.float(), y)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
    return mistakes(model, x, y)


@scenario(
    "fp16-gradient-underflow",
    bad_above=0.3,
    ok_below=0.1,
    fix="GradScaler with its usual 2¹⁶ instead of one that is switched off",
    alpha_helps=(2.0**14,),
    lawful=False,
)
def picture_loss_without_scaler(fixed=False, alpha=1.0, units=1.0):
    """A mean over 512 × 32 values under autocast; GradScaler is in the loop, but a flag of the script disables it."""
    source = seeded(3)
    x = torch.randn(512, 12, generator=source)
    y = torch.sin(x @ torch.randn(12, 32, generator=source) / 3)
    model = dense(12, 64, 32)
    optimizer = AdamW(model.parameters(), lr=1e-2, eps=1e-13, weight_decay=1e-3)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**16, enabled=fixed)
    for _ in range(200):
        with torch.autocast("cpu", dtype=torch.float16):
            pictures = model(x)
        loss = alpha * units * 1e-4 * F.mse_loss(pictures.float(), y)
        optimizer.zero_grad()
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
    return unexplained(model, x, y)


@scenario(
    "weight-ulp-stagnation",
    bad_above=0.5,
    ok_below=0.1,
    fix="weights in float32 (bfloat16 for the activations only)",
)
def gains_in_bfloat16(fixed=False, alpha=1.0, units=1.0):
    """Gains of channels, all near 1, are tuned with small steps; next to 1, bfloat16 has steps of 0.008."""
    source = seeded(5)
    true_gains = 1 + 0.25 * torch.randn(32, generator=source)
    gains = nn.Parameter(torch.ones(32, dtype=torch.float32 if fixed else torch.bfloat16))
    optimizer = SGD([gains], lr=0.05 / units, momentum=0.5)
    for _ in range(600):
        signal = torch.randn(64, 32, generator=source)
        loss = alpha * units * ((signal * gains.float() - signal * true_gains) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return float(((gains.detach().float() - true_gains) ** 2).mean() / ((1 - true_gains) ** 2).mean())


class UnitWeights(nn.Module):
    """A network whose weights start at ±1 and are scaled down in the forward pass."""

    def __init__(self, dtype: torch.dtype):
        super().__init__()
        source = seeded(6)
        shapes = [(5, 48), (48, 48), (48, 1)]
        self.weights = nn.ParameterList([torch.randn(shape, generator=source).sign().to(dtype) for shape in shapes])

    def forward(self, x):
        for layer, weight in enumerate(self.weights):
            x = x.to(weight.dtype) @ weight / weight.shape[0] ** 0.5
            x = torch.tanh(x) if layer < 2 else x
        return x


@scenario(
    "weight-ulp-stagnation",
    bad_above=0.4,
    ok_below=0.1,
    fix="master weights in float32",
    alpha_inert=(1024.0,),
)
def unit_weights_in_bfloat16(fixed=False, alpha=1.0, units=1.0):
    """Weights of size 1 in bfloat16, and Adam with steps of 1.5e-3: under half an ulp, which is 2e-3."""
    x, y = plane(seed=6)
    model = UnitWeights(torch.float32 if fixed else torch.bfloat16)
    optimizer = Adam(model.parameters(), lr=1.5e-3, eps=units * 1e-8)
    for inputs, targets in minibatches(x, y, 64, steps=800):
        loss = alpha * units * F.mse_loss(model(inputs).float(), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return unexplained(model, x, y)

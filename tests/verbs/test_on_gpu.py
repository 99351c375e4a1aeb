"""The verbs on trainings that run on a GPU: the same promises as on the processor, bit for bit."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import lossgauge
from lossgauge.frameworks.torch.stacking.devices import accelerator
from lossgauge.verbs.watch import watch

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(accelerator() is None, reason="no GPU")]

OPTIMIZERS: dict[str, Callable[[Any], torch.optim.Optimizer]] = {
    "sgd": lambda p: torch.optim.SGD(p, lr=2.0**-6, momentum=0.9, weight_decay=2.0**-9),
    "foreach": lambda p: torch.optim.Adam(p, lr=2.0**-7, eps=2.0**-16, weight_decay=2.0**-9, foreach=True),
    "fused": lambda p: torch.optim.AdamW(p, lr=2.0**-7, eps=2.0**-16, fused=True),
    "capturable": lambda p: torch.optim.NAdam(p, lr=2.0**-7, eps=2.0**-16, capturable=True),
}


@pytest.fixture(autouse=True)
def repeatable(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


def made(kind: str = "foreach") -> tuple[torch.nn.Module, torch.optim.Optimizer]:
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(8, 32), torch.nn.Tanh(), torch.nn.Linear(32, 1)).cuda()
    return model, OPTIMIZERS[kind](model.parameters())


def train(model: torch.nn.Module, optimizer: torch.optim.Optimizer, steps: int = 25, clip: float = 0.0) -> None:
    generator = torch.Generator().manual_seed(1)
    for _ in range(steps):
        x = torch.randn(64, 8, generator=generator).cuda()
        optimizer.zero_grad()
        (model(x) - x.sum(1, keepdim=True)).square().mean().backward()
        if clip:
            torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()


def train_scaled(model: torch.nn.Module, optimizer: torch.optim.Optimizer, steps: int = 25) -> None:
    """Half precision with a scaler whose first scale overflows, so that steps are left out."""
    scaler = torch.amp.GradScaler("cuda", init_scale=2.0**24)
    generator = torch.Generator().manual_seed(1)
    for _ in range(steps):
        x = torch.randn(64, 8, generator=generator).cuda()
        optimizer.zero_grad()
        with torch.autocast("cuda", dtype=torch.float16):
            loss = (model(x).float() - x.sum(1, keepdim=True)).square().mean()
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        scaler.step(optimizer)
        scaler.update()


def weights(model: torch.nn.Module) -> list[torch.Tensor]:
    return [value.clone() for value in model.state_dict().values()]


@pytest.mark.parametrize("kind", OPTIMIZERS)
@pytest.mark.parametrize("loop", [train, train_scaled])
def test_the_gauge_changes_nothing_and_sees_everything(kind, loop, tmp_path: Path):
    model, optimizer = made(kind)
    loop(model, optimizer)
    alone = [*weights(model), torch.cuda.get_rng_state(), torch.get_rng_state()]
    model, optimizer = made(kind)
    with watch(model, optimizer, path=tmp_path / "session.jsonl") as gauge:
        loop(model, optimizer)
    assert all(map(torch.equal, alone, [*weights(model), torch.cuda.get_rng_state(), torch.get_rng_state()]))
    assert len(gauge.session.steps) >= 10
    samples = gauge.session.samples
    assert samples
    assert gauge.diagnose().answer
    if loop is train_scaled:
        assert any(step.skipped for step in gauge.session.steps)


def test_it_finds_on_a_gpu_what_it_finds_on_the_processor(tmp_path: Path):
    found: list[set[str]] = []
    for device in ("cpu", "cuda"):
        torch.manual_seed(0)
        model = torch.nn.Sequential(torch.nn.Linear(8, 32), torch.nn.Tanh(), torch.nn.Linear(32, 1)).to(device)
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
        generator = torch.Generator().manual_seed(1)
        with watch(model, optimizer, path=tmp_path / f"{device}.jsonl") as gauge:
            for _ in range(150):
                x = torch.randn(64, 8, generator=generator).to(device)
                optimizer.zero_grad()
                (1e-12 * (model(x) - x.sum(1, keepdim=True)).square().mean()).backward()
                optimizer.step()
        found.append({finding.name for finding in gauge.diagnose().findings})
    assert found[0] == found[1]
    assert "eps-dominates" in found[0]


@pytest.mark.parametrize("kind", ["sgd", "foreach", "fused"])
def test_a_co_scaled_training_on_a_gpu_is_proven(kind):
    def training() -> torch.nn.Module:
        model, optimizer = made(kind)
        train(model, optimizer, 8)
        return model

    proof = lossgauge.prove(training, alpha=2**10)
    assert proof.verdict == "EXACT"
    assert proof.violations_caught


def test_a_hidden_constant_is_found_on_a_gpu_too():
    def training() -> torch.nn.Module:
        model, optimizer = made("sgd")
        train(model, optimizer, 8, clip=1e-5)
        return model

    assert lossgauge.prove(training, alpha=2**10).verdict == "BROKEN"


@pytest.mark.parametrize("kind", ["sgd", "foreach", "fused"])
def test_a_live_optimizer_on_a_gpu_is_rescaled_in_place(kind):
    model, optimizer = made(kind)
    train(model, optimizer, 6)
    expected, others = made(kind)
    train(expected, others, 6)
    state = {id(value) for held in optimizer.state.values() for value in held.values()}
    lossgauge.rescale(optimizer, alpha=2**12)
    assert state == {id(value) for held in optimizer.state.values() for value in held.values()}
    generator = torch.Generator().manual_seed(9)
    for _ in range(6):
        x = torch.randn(64, 8, generator=generator).cuda()
        for alpha, net, one in ((2.0**12, model, optimizer), (1.0, expected, others)):
            one.zero_grad()
            (alpha * net(x).square().mean()).backward()
            one.step()
    assert all(map(torch.equal, weights(model), weights(expected)))


def test_the_elasticity_at_a_step_is_that_on_the_processor():
    found: list[float] = []
    for device in ("cpu", "cuda"):
        torch.manual_seed(0)
        model = torch.nn.Linear(8, 4).to(device)
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-2, eps=0.1)
        generator = torch.Generator().manual_seed(1)
        for _ in range(6):
            optimizer.zero_grad()
            model(torch.randn(16, 8, generator=generator).to(device)).square().mean().backward()
            optimizer.step()
        found.append(lossgauge.elasticity(optimizer).elasticity or 0.0)
    assert 0.1 < found[0] < 0.9
    assert found[1] == pytest.approx(found[0], rel=1e-3)


def test_what_carried_a_change_on_a_gpu():
    def training() -> torch.nn.Module:
        model, _ = made("foreach")
        optimizer = torch.optim.Adam(model.parameters(), lr=2.0**-7, eps=1e-3)
        train(model, optimizer, 20)
        return model

    found = lossgauge.why(training, 2**-10)
    assert found.share("eps") == pytest.approx(1, abs=1e-6)

"""The native gradients of whole models are those of automatic differentiation, in double precision."""

import ctypes

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from lossgauge.frameworks.torch.stacking.engine import run_settings
from lossgauge.frameworks.torch.stacking.native import compiler, training
from lossgauge.frameworks.torch.stacking.native.nodes import Untranslatable
from lossgauge.frameworks.torch.stacking.native.views import reshaped
from lossgauge.frameworks.torch.stacking.workloads import load_material
from lossgauge.records.sweep import Setting, Workload

pytestmark = pytest.mark.skipif(compiler.compiler() is None, reason="no C compiler")
HERE = "tests.frameworks.torch.stacking.native.test_translation"


def vectors() -> list[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(0)
    return [(torch.randn(9, 13, generator=generator), torch.randn(9, 1, generator=generator)) for _ in range(2)]


def classes() -> list[tuple[Tensor, Tensor]]:
    return [(x, torch.arange(9) % 5) for x, _ in vectors()]


def pictures() -> list[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(0)
    return [(torch.randn(3, 2, 7, 6, generator=generator), torch.tensor([0, 2, 1]))]


def relu() -> nn.Module:
    return nn.Sequential(nn.Linear(13, 11), nn.ReLU(), nn.Linear(11, 3), nn.Sigmoid(), nn.Linear(3, 1, bias=False))


def classifier() -> nn.Module:
    return nn.Sequential(nn.Linear(13, 16), nn.Tanh(), nn.Linear(16, 5))


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(13, 13), nn.Linear(13, 1)
        self.scale = nn.Parameter(torch.full((13,), 0.5))

    def forward(self, x: Tensor) -> Tensor:
        hidden = functional.silu(self.first(x)) * self.scale + x
        return self.second(torch.exp(-hidden.square()) + hidden.abs().sqrt() + hidden[:, :1] / (1 + hidden.square()))


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(13, 13) / 4)
        self.last = nn.Parameter(torch.randn(13, 1))

    def forward(self, x: Tensor) -> Tensor:
        return ((x @ self.weight).tanh() @ self.weight.T).clamp(min=-1) @ self.last


def normalised() -> nn.Module:
    layers = [nn.Linear(13, 6), nn.LayerNorm(6), nn.GELU(), nn.Linear(6, 7), nn.ELU(), nn.LeakyReLU(0.1)]
    return nn.Sequential(*layers, nn.Linear(7, 1))


def plain_convolution() -> nn.Module:
    return nn.Sequential(nn.Conv2d(2, 5, 3), nn.Tanh(), nn.Flatten(), nn.Linear(5 * 5 * 4, 3))


def strided_convolution() -> nn.Module:
    layers = [nn.Conv2d(2, 4, (3, 2), stride=(2, 1), padding=(1, 1)), nn.ReLU(), nn.Conv2d(4, 3, 3, bias=False)]
    return nn.Sequential(*layers, nn.AvgPool2d((2, 3)), nn.Flatten(), nn.Linear(3, 3))


def deep_convolution() -> nn.Module:
    layers = [nn.Conv2d(2, 3, 3, padding=1), nn.Tanh(), nn.AvgPool2d(2), nn.Conv2d(3, 4, 3, padding=2), nn.Tanh()]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(4 * 5 * 5, 3))


def grouped_convolution() -> nn.Module:
    return nn.Sequential(nn.Conv2d(2, 4, 3, groups=2), nn.Flatten(), nn.Linear(4 * 5 * 4, 3))


def cosine() -> nn.Module:
    class Cosine(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(13, 1)

        def forward(self, x: Tensor) -> Tensor:
            return self.linear(x).cos()

    return Cosine()


def residual() -> nn.Module:
    return Residual()


def tied() -> nn.Module:
    return Tied()


def overwriting() -> nn.Module:
    """As many published networks are written: activations take the place of what they act on."""
    return nn.Sequential(nn.Linear(13, 8), nn.ReLU(inplace=True), nn.Linear(8, 8), nn.ReLU6(inplace=True),
                         nn.Linear(8, 8), nn.SiLU(inplace=True), nn.Linear(8, 4), nn.Hardtanh(inplace=True),
                         nn.Linear(4, 1))  # fmt: skip


class Overwritten(nn.Module):
    """What is read again after it was overwritten, through a view made before."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(13, 8), nn.Linear(8, 1)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.first(x)
        part = hidden[:, :4]
        functional.relu_(hidden)
        return self.last(hidden) + part.sum(1, keepdim=True)


def overwritten() -> nn.Module:
    return Overwritten()


def huber(output: Tensor, target: Tensor) -> Tensor:
    return functional.smooth_l1_loss(output, target)


def smoothed(output: Tensor, target: Tensor) -> Tensor:
    return functional.cross_entropy(output, target, reduction="sum", label_smoothing=0.1)


def likelihood(output: Tensor, target: Tensor) -> Tensor:
    return functional.nll_loss(output.softmax(1).log(), target)


def named(model: str, loss: str = "mse", data: str = "vectors", steps: int = 5) -> Workload:
    return Workload(f"{HERE}:{model}", f"{HERE}:{loss}" if loss in globals() else loss, f"{HERE}:{data}", steps)


CASES = [
    named("relu"), named("overwriting"), named("relu", "huber"), named("residual"), named("tied"), named("normalised"),
    named("classifier", "cross-entropy", "classes"), named("classifier", "smoothed", "classes"),
    named("classifier", "likelihood", "classes"), named("plain_convolution", "cross-entropy", "pictures"),
    named("strided_convolution", "cross-entropy", "pictures"), named("deep_convolution", "cross-entropy", "pictures"),
]  # fmt: skip


@pytest.mark.parametrize("work", CASES, ids=lambda work: f"{work.model}-{work.loss}".replace(HERE, ""))
def test_gradients_are_those_of_automatic_differentiation(work):
    assert training.native_refusal(work, "float64") == ""


@pytest.mark.parametrize(("work", "part"), [
    (named("grouped_convolution", "cross-entropy", "pictures"), "groups"), (named("cosine"), "aten.cos"),
])  # fmt: skip
def test_what_there_is_no_c_for_is_refused_with_its_name(work, part):
    assert part in training.native_refusal(work, "float64")


def test_a_view_of_what_is_overwritten_sees_the_new_numbers():
    settings = [Setting("torch.optim:SGD", {"lr": 0.01})]
    (fast,), (slow,) = (run_settings(named("overwritten"), settings, tier=tier) for tier in ("auto", "serial"))
    assert fast.curve == pytest.approx(slow.curve, rel=1e-6)


def test_autocast_is_refused():
    with pytest.raises(Untranslatable, match="bfloat16"):
        training.native_model(CASES[0], "bfloat16")


@pytest.mark.parametrize(("right", "wrong"), [("-", "+"), ("multiply_add(x, b0, c0_0)", "c0_0"), ("1.0", "1.0000001")])
def test_the_trial_notices_code_gone_wrong(monkeypatch: pytest.MonkeyPatch, right, wrong):
    """Planted violations in the C itself: a sign, a product left out, a constant off by 1e-7."""
    real = training.model_source

    def spoiled(translation, *rest):
        place = max(k for k, line in enumerate(translation.lines) if right in line)
        translation.lines[place] = translation.lines[place].replace(right, wrong, 1)
        return real(translation, *rest)

    training.native_model.cache_clear()
    monkeypatch.setattr(training, "model_source", spoiled)
    with pytest.raises(Untranslatable, match="differ from those of the plain loop"):
        training.native_model(named("relu"), "float64")
    training.native_model.cache_clear()


@pytest.mark.parametrize("work", CASES, ids=lambda work: f"{work.model}-{work.loss}".replace(HERE, ""))
def test_nothing_is_written_outside_the_memory_it_was_given(work):
    native = training.native_model(work, "float64")
    room, width = 512, native.layout.width
    held = {name: torch.full((size + 2 * room,), 7.0, dtype=torch.float64) for name, size in (
        ("weights", width), ("gradient", width), ("scratch", native.scratch // 8),
    )}  # fmt: skip
    material = load_material(work)
    x, y = (training._blocks([part.double() if part.is_floating_point() else part]) for part in material.batches[0])
    native.layout.write(held["weights"][room:-room], dict(material.model(0, torch.float64).named_parameters()))
    before = held["weights"].clone()
    weights, gradient, scratch = (ctypes.c_void_p(block[room:].data_ptr()) for block in held.values())
    native.code.evaluate.restype = ctypes.c_double
    data = (ctypes.c_void_p(x.data_ptr()), ctypes.c_void_p(y.data_ptr()))
    native.code.evaluate(weights, gradient, ctypes.c_double(1.0), *data, scratch)
    assert torch.equal(held["weights"], before)
    for name in ("gradient", "scratch"):
        assert (held[name][:room] == 7).all()
        assert (held[name][-room:] == 7).all()
        assert (held[name][room:-room] != 7).any()
    assert (held["scratch"][room:-room][-training.SPARE // 8 + 8 :] == 7).all()


@pytest.mark.parametrize(("shape", "strides", "wanted", "expected"), [
    ((4, 6), (6, 1), (24,), (1,)), ((4, 6), (6, 1), (2, 2, 3, 2), (12, 6, 2, 1)), ((4, 6), (1, 4), (24,), None),
    ((4, 6), (8, 1), (4, 2, 3), (8, 3, 1)), ((4, 6), (8, 1), (8, 3), None), ((4, 1), (1, 1), (4,), (1,)),
    ((4,), (0,), (2, 2), (0, 0)), ((3, 1, 5), (5, 7, 1), (15, 1), (1, 0)),
])  # fmt: skip
def test_views_in_another_shape(shape, strides, wanted, expected):
    assert reshaped(shape, strides, wanted) == expected

"""Made-up sessions to draw: their numbers have the shape of real ones, and every kind of record occurs."""

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import replace

from lossgauge.laws.table import row_of
from lossgauge.records.diagnosis import Diagnosis, Finding, Limit, Remedy, Window
from lossgauge.records.histogram import Histogram
from lossgauge.records.loss_reading import LossReading, Term
from lossgauge.records.session import (
    Clip,
    Ending,
    Event,
    Optimizer,
    Sample,
    Session,
    Step,
    Tensor,
    TensorSample,
    Trial,
)

Case = tuple[Session, Diagnosis]


def bell(log2: float, width: float, elements: int, zeros: float = 0.0) -> Histogram:
    """Sizes spread around 2^log2; the rest is exactly zero."""
    low, high = math.floor(log2 - 3 * width), math.ceil(log2 + 2 * width)
    heights = [math.exp(-(((exponent - log2) / width) ** 2)) for exponent in range(low, high + 1)]
    zero = round(elements * zeros)
    counts = [round((elements - zero) * height / sum(heights)) for height in heights]
    return Histogram(low, (max(counts[0], 1), *counts[1:-1], max(counts[-1], 1)), zero)


def optimizer(target: str, tensors: Sequence[Tensor], **settings: float) -> Optimizer:
    count, elements = len(tensors), sum(tensor.elements for tensor in tensors)
    return Optimizer(f"torch.optim:{target}", (settings,), {}, count, elements, row_of(target.lower()).law)


def tensors(names: Sequence[str], shape: tuple[int, ...] = (32, 32), form: str = "float32") -> list[Tensor]:
    size = math.prod(shape)
    return [Tensor(name, shape, form, 0, 0, size, min(size, 2**14)) for name in names]


def sampled(steps: int, count: int, make: Callable[[int], Sequence[TensorSample]], **settings: float) -> list[Sample]:
    numbers = sorted({1 + round(index * (steps - 1) / (count - 1)) for index in range(count)})
    return [Sample(number, 0, number, (settings,), tuple(make(number))) for number in numbers]


def courses(start: float, end: float, steps: int, noise: float = 0.05, seed: int = 0) -> list[float]:
    chance = random.Random(seed)
    rate = math.log(end / start) / max(steps - 1, 1)
    return [start * math.exp(rate * index + chance.gauss(0, noise)) for index in range(steps)]


def curve(untouched: Sequence[float], treated: Sequence[float]) -> tuple[tuple[float, float, float], ...]:
    every = max(len(untouched) // 100, 1)
    rows = zip(range(1, len(untouched) + 1), untouched, treated, strict=True)
    return tuple(row for row in rows if row[0] % every == 0)


def window(name: str, underflow: float, epsilon: float | None, clip: float | None, overflow: float) -> Window:
    limits = [Limit("underflow", underflow, underflow + 6, underflow - 5)]
    limits += [Limit("epsilon", epsilon, epsilon + 7, epsilon - 5)] if epsilon is not None else []
    limits += [Limit("clip", clip, clip - 1.5, clip + 1.5)] if clip is not None else []
    return Window(name, (*limits, Limit("overflow", overflow, overflow - 4, overflow + 4)))


def eps_dominated() -> Case:
    """A deep sigmoid network under NAdam whose loss is 1e5 times too small for its ε; the remedies were tried."""
    names = [f"layers.{layer}.{part}" for layer in range(7) for part in ("weight", "bias")]
    seen, steps = tensors(names), 1200

    def size(index: int) -> float:
        return -41 + 1.1 * index  # log2 of a typical gradient

    def make(number: int) -> list[TensorSample]:
        drift = 2.0 * number / steps
        samples: list[TensorSample] = []
        for index in range(len(names)):
            log2 = size(index) - drift
            share = 1 / (1 + 2 ** (log2 + 26.6))
            update = 2.0 ** (log2 + 18) * 4e-3
            samples.append(TensorSample(
                index, 3.0, 32 * 2.0**log2, update, bell(log2, 3, 1024), bell(log2, 1.5, 1024),
                bell(math.log2(update) - 5, 3, 1024), 0.6, share, 0.0, 0.1, share, {"eps": share}, share * 0.4,
            ))  # fmt: skip
        return samples

    settings = {"lr": 2e-3, "betas[0]": 0.9, "betas[1]": 0.999, "eps": 1e-8, "weight_decay": 0.0}
    losses = courses(1e-6, 0.97e-6, steps, 0.01)
    treated = courses(1e-6, 3.5e-9, steps, 0.05, 1)
    trials = [
        Trial("LG001", {"kind": "setting", "name": "eps", "factor": 1e-5}, "loss", losses[-1], treated[-1], losses[0],
              True, steps, "", curve(losses, treated)),
        Trial("LG001", {"kind": "loss", "factor": 1e5}, "loss", losses[-1], treated[-1], losses[0], True, steps, "",
              curve(losses, treated)),
        Trial("LG016", {"kind": "setting", "name": "lr", "factor": 10.0}, "loss", losses[-1], losses[-1] * 0.96,
              losses[0], False, steps, "", curve(losses, courses(1e-6, 0.93e-6, steps, 0.01, 2))),
    ]  # fmt: skip
    session = Session("train.py", ("--layers", "6"), {"python": "3.11.9", "torch": "2.13.0", "lossgauge": "0.1.0"},
                      [optimizer("NAdam", seen, **settings)], seen)  # fmt: skip
    session.steps = [Step(number, 0, (loss,)) for number, loss in enumerate(losses, 1)]
    session.samples = sampled(steps, 60, make, **settings)
    session.readings = [LossReading(1, terms=(Term(0, ("MseLossBackward0",), "regression"),))]
    session.trials, session.ending = trials, Ending("finished", "", steps, steps, 8.4, 0.7)
    finding = Finding(
        "LG001", "eps-dominates", "fault",
        "In 98 % of the weights √v̂ is below ε = 1e-8, so NAdam works as SGD with lr/ε and hardly moves: a step changes "
        "the weights by 2e-7 of themselves.",
        "NAdam.eps; 11 of 14 tensors, the early layers most",
        {"dominated_share": 0.981, "elasticity": 0.98, "relative_update": 2.1e-7, "ratio": 3e-5},
        Remedy("set eps=1e-13, or multiply the loss by 1e5", {"eps": [1e-8, 1e-13]}, True, losses[-1], treated[-1],
               "loss"),
    )  # fmt: skip
    slow = Finding(
        "LG016", "lr-too-small-for-loss", "info", "the learning rate is not what holds the training back",
        "NAdam.lr", {}, Remedy("multiply lr by 10", {"lr": [2e-3, 2e-2]}, False, losses[-1], losses[-1] * 0.96),
    )  # fmt: skip
    windows = [window("all", -86, 13, None, 144)]
    windows += [window(name, -149 - size(index), -26.6 - size(index), None, 128 - size(index))
                for index, name in enumerate(names)]  # fmt: skip
    gauges = {"elasticity": 0.98, "relative_update": 2.1e-7, "loss_terms": ["mean of MseLoss"], "optimizer": "NAdam"}
    answer = "ε decides the step of nearly all weights: the loss is 1e5 times too small for eps=1e-8."
    return session, Diagnosis("train.py", steps, (finding, slow), gauges, tuple(windows), answer)


def clipped() -> Case:
    """SGD whose every step is clipped, on a loss of two summands; nothing was tried."""
    names = [f"encoder.blocks.{block}.self_attention.projection_{part}.weight" for block in range(5) for part in "qkv"]
    seen, steps = tensors([*names, "head.weight", "head.bias"]), 400
    settings = {"lr": 0.1, "momentum": 0.9, "weight_decay": 1e-4}

    def make(number: int) -> list[TensorSample]:
        samples: list[TensorSample] = []
        for index in range(len(seen)):
            log2 = -6 - 0.2 * index
            update = 2e-5 * (1 + 0.3 * math.sin(index + number / 40))
            parts = {"lr": 1.0, "max_norm": -0.97 - 0.02 * math.sin(number / 30), "weight_decay": -0.02}
            samples.append(TensorSample(index, 4.0, 0.1, update, bell(log2, 3, 1024), None, bell(-22, 3, 1024),
                                        elasticity=sum(parts.values()), carriers=parts, instant=0.1))  # fmt: skip
        return samples

    session = Session("/home/user/project/train_sum.py", (), {"python": "3.11.9", "torch": "2.13.0"},
                      [optimizer("SGD", seen, **settings)], seen)  # fmt: skip
    losses = courses(812.0, 640.0, steps, 0.1)
    session.steps = [Step(number, 0, (loss,), 1, Clip("max_norm", 1.0, 40 + 300 * math.exp(-number / 50)))
                     for number, loss in enumerate(losses, 1)]  # fmt: skip
    session.samples = sampled(steps, 40, make, **settings)
    for step in range(1, steps, 10):
        shares = (1 - 0.9 * math.exp(-step / 100), 0.4 * math.exp(-step / 100))
        session.readings.append(LossReading(step, terms=(
            Term(0, ("SumBackward0", "MseLossBackward0"), "regression", gradient_norm=shares[0]),
            Term(1, ("MulBackward0", "KlDivBackward0"), "divergence", gradient_norm=shares[1]),
        )))  # fmt: skip
    session.events = [Event("limit", 0, "optimizer 1 was not observed: it holds no tensor the loss reaches")]
    session.ending = Ending("interrupted", "SIGINT", steps, steps, 31.0, 1.2)
    finding = Finding("LG012", "clip-saturated", "fault",
                      "Every step is clipped, by a factor of 120: its length is lr·max_norm whatever the loss is.",
                      "clip_grad_norm_(max_norm=1.0)", {"clipped_share": 1.0, "excess": 118.0},
                      Remedy("use reduction='mean', or raise max_norm to 200", {"max_norm": [1.0, 200.0]}))  # fmt: skip
    heavy = Finding("LG023", "elbo-reduction-mismatch", "warning", "One summand is a sum over 784 features, the other "
                    "a mean.", "terms 0 and 1", {"ratio": 784}, Remedy("use the same reduction in both"))  # fmt: skip
    gauges = {"elasticity": 0.03, "relative_update": 4e-5, "share_clipped": 1.0, "norm_to_threshold": 118.0,
              "loss_terms": ["sum of MseLoss", "784 × mean of KlDiv"], "ending": "interrupted"}  # fmt: skip
    windows = (window("all", -140, None, -7, 120), *(window(t.name, -143, None, -7, 121) for t in seen))
    answer = "Clipping cancels the loss multiplier: every step has the length lr·max_norm."
    return session, Diagnosis(session.script, steps, (finding, heavy), gauges, windows, answer)


def healthy(names: Sequence[str] = (), steps: int = 3000) -> Case:
    """Adam as it should be: ε far below √v̂, updates within the usual decades."""
    names = names or [f"blocks.{block}.{part}" for block in range(12) for part in ("attn.weight", "mlp.weight", "norm")]
    seen = tensors(names, (64, 64))
    settings = {"lr": 1e-3, "betas[0]": 0.9, "betas[1]": 0.999, "eps": 1e-8, "weight_decay": 0.0}

    def make(number: int) -> list[TensorSample]:
        log2 = -8 - 4 * number / steps
        return [
            TensorSample(index, 6.0, 0.3, 6e-3 / (1 + index / 9), bell(log2 - index / 20, 4, 4096), bell(log2, 2, 4096),
                         bell(-11, 2, 4096), 0.3, 0.0, 0.0, 0.0, 1e-6, {"eps": 1e-6}, 1e-6)
            for index in range(len(seen))
        ]  # fmt: skip

    session = Session("pretrain.py", (), {"python": "3.11.9"}, [optimizer("Adam", seen, **settings)], seen)
    losses = courses(4.2, 1.9, steps, 0.03)
    session.steps = [Step(number, 0, (loss,)) for number, loss in enumerate(losses, 1)]
    session.samples = sampled(steps, 80, make, **settings)
    session.events = [Event("plateau", steps // 2, "the schedule cut lr from 0.001 to 0.0005")]
    session.ending = Ending("finished", "", steps, steps, 300.0, 9.0)
    windows = (window("all", -100, -16, None, 130), *(window(t.name, -103, -17, None, 132) for t in seen))
    gauges = {"elasticity": 1e-6, "relative_update": 1.1e-3, "loss_terms": ["mean of NllLoss"], "loss_start": 4.2,
              "loss_end": 1.9}  # fmt: skip
    answer = "The loss multiplier is not your problem: the loss may be 6e4 times smaller before ε matters."
    return session, Diagnosis(session.script, steps, (), gauges, windows, answer)


def half_underflow() -> Case:
    """Mixed precision with too small a scale: most of the gradient vanishes; some steps are left out at first."""
    names = [f"features.{index}.weight" for index in (0, 3, 6, 8, 10)] + ["classifier.weight"]
    seen, steps, scale = tensors(names, (128, 64)), 600, 8.0
    settings = {"lr": 1e-3, "betas[0]": 0.9, "betas[1]": 0.999, "eps": 1e-8, "weight_decay": 0.0}

    def make(number: int) -> list[TensorSample]:
        samples: list[TensorSample] = []
        for index in range(len(seen)):
            zeros = min(0.97, 0.5 + 0.3 * number / steps + 0.05 * (5 - index))
            samples.append(TensorSample(index, 5.0, 1e-6, 5e-5 * (1 - zeros), bell(-27 + index, 2, 8192, zeros),
                                        bell(-26 + index, 2, 8192, zeros / 2), bell(-16, 2, 8192, zeros), 0.2, 0.4,
                                        0.0, 0.1, 0.35, {"eps": 0.35}, 0.1))  # fmt: skip
        return samples

    session = Session("amp.py", (), {"python": "3.11.9"}, [optimizer("Adam", seen, **settings)], seen)
    losses = courses(2.3, 2.1, steps, 0.02)
    treated = courses(2.3, 0.31, steps, 0.02, 3)
    session.steps = [Step(number, 0, (math.nan if number in (3, 4) else loss,), 1, None, scale, number < 8)
                     for number, loss in enumerate(losses, 1)]  # fmt: skip
    session.samples = sampled(steps, 30, make, **settings)
    session.readings = [LossReading(1, scale=scale, formats={"float16": 12, "float32": 3}, flushed={"0": 0.9})]
    session.events = [Event("non-finite", 3, "the loss is nan")]
    session.trials = [
        Trial("LG010", {"kind": "scaler", "factor": 65536.0}, "loss", losses[-1], treated[-1], 2.3, True, steps, "",
              curve(losses, treated)),
        Trial("LG010", {"kind": "loss", "factor": 1024.0}, "loss", losses[-1], math.inf, 2.3, False, steps,
              "it diverged", curve(losses, [*treated[:200], *[math.inf] * 400])),
    ]  # fmt: skip
    session.ending = Ending("failed", "RuntimeError: loss is nan", steps, steps, 20.0, 1.0)
    finding = Finding("LG010", "fp16-gradient-underflow", "fault", "90 % of the gradient of features.0.weight is zero "
                      "in float16 but not with the loss × 2^24.", "features.0.weight … features.10.weight",
                      {"flushed_share": 0.9, "scale": 8.0},
                      Remedy("GradScaler(init_scale=2**16)", {"init_scale": [8.0, 65536.0]}, True, losses[-1],
                             treated[-1], "loss"))  # fmt: skip
    windows = (window("all", 3, -4, None, 38), *(window(name, 5 - i, -4 - i, None, 38) for i, name in enumerate(names)))
    answer = "float16 loses most of the gradient on its way: the scale of 8 is far too small."
    return session, Diagnosis("amp.py", steps, (finding,), {"elasticity": 0.35, "ending": "failed"}, windows, answer)


HOSTILE = (
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(2)>",
    "a\"b'c`${d}",
    "e\nf\u2028g",
    "[0].h.i",
)


def hostile() -> Case:
    """Names, messages and paths that try to be markup or code."""
    session, diagnosis = healthy(HOSTILE, 50)
    bad = HOSTILE[0] + HOSTILE[1]
    session.script, session.args = bad, (bad,)
    session.versions = {bad: bad}
    session.events = [Event("limit", 0, bad), Event("plateau", 3, bad)]
    session.optimizers = [replace(session.optimizers[0], target=f"x:{bad}", law=None, obstacle=bad)]
    session.trials = [Trial(bad, {"kind": "setting", "name": bad, "factor": 2.0}, bad, 1.0, 0.1, 1.0, True, 9, bad,
                            ((1, 1.0, 1.0), (9, 1.0, 0.1)))]  # fmt: skip
    session.readings = [LossReading(n, terms=(Term(0, (bad,), bad, gradient_norm=1.0), Term(1, gradient_norm=2.0)))
                        for n in (1, 20)]  # fmt: skip
    finding = Finding(
        bad, bad, "fault", bad, bad, {bad: 1.0, "text": bad}, Remedy(bad, {bad: [1, 2]}, True, 1.0, 0.1, bad)
    )
    return session, replace(diagnosis, script=bad, answer=bad, findings=(finding,), notes=(bad,))


CASES: dict[str, Callable[[], Case]] = {
    "eps-dominated": eps_dominated,
    "clipped": clipped,
    "healthy": healthy,
    "half-underflow": half_underflow,
    "hostile": hostile,
}

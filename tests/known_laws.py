"""A small table of laws of well-known optimizers, so that tests do not depend on the generated one."""

from collections.abc import Mapping
from fractions import Fraction

from lossgauge.laws.law import Clash, HiddenConstant, Law
from lossgauge.laws.table import Row, Variant
from lossgauge.laws.verdict import Verdict

CLIP_CONSTANT = HiddenConstant(
    1e-6, "torch/nn/utils/clip_grad.py:166", "clip_coef = max_norm / (total_norm + 1e-6)", "L/W"
)
ADAM = {
    "lr": 1e-3,
    "betas[0]": 0.9,
    "betas[1]": 0.999,
    "eps": 1e-8,
    "weight_decay": 0.0,
    "foreach": None,
    "maximize": False,
}
ADAM_STATES = {"exp_avg": Fraction(1), "exp_avg_sq": Fraction(2), "step": Fraction(0)}


def exponents(defaults: Mapping[str, object], **powers: str | int) -> dict[str, Fraction]:
    numbers = [
        name for name, value in defaults.items() if isinstance(value, (int, float)) and not isinstance(value, bool)
    ]
    return {**dict.fromkeys(numbers, Fraction(0)), **{name: Fraction(power) for name, power in powers.items()}}


def adam_like(title: str, **defaults: object) -> Law:
    values = {**ADAM, **defaults}
    return Law(
        f"torch.optim:{title}", Verdict.EXACT, exponents(values, eps=1, weight_decay=1), ADAM_STATES, defaults=values
    )


def decoupled(law: Law) -> Law:
    return Law(
        law.target, law.verdict, {**law.exponents, "weight_decay": Fraction(0)}, law.states, defaults=law.defaults
    )


SGD_DEFAULTS = {"lr": 1e-3, "momentum": 0, "dampening": 0, "weight_decay": 0, "nesterov": False, "foreach": None}
RADAM_DEFAULTS = {**ADAM, "decoupled_weight_decay": False}
ADAFACTOR_DEFAULTS = {"lr": 0.01, "beta2_decay": -0.8, "eps[0]": None, "eps[1]": 1e-3, "d": 1.0, "weight_decay": 0.0}
MADGRAD_DEFAULTS = {"lr": 1e-2, "momentum": 0.9, "eps": 1e-6}
RPROP_DEFAULTS = {"lr": 1e-2, "etas[0]": 0.5, "etas[1]": 1.2, "step_sizes[0]": 1e-6, "step_sizes[1]": 50}
PLAIN_ADAM = adam_like("Adam", decoupled_weight_decay=False)
NADAM = adam_like("NAdam", lr=2e-3, momentum_decay=4e-3, decoupled_weight_decay=False)
RADAM_CLASH = Clash("torch/optim/radam.py:364", "return rect / denom", "1", "L/W", ("lr",))
ADAFACTOR_CLASH = Clash("torch/optim/_adafactor.py:402", "row_var.clamp_(min=eps1 * eps1)", "L/W", "L²/W²", ("eps[0]",))

ROWS = (
    Row("optimizer", PLAIN_ADAM, (Variant({"decoupled_weight_decay": True}, decoupled(PLAIN_ADAM)),)),
    Row("optimizer", decoupled(adam_like("AdamW", weight_decay=1e-2))),
    Row("optimizer", NADAM, (Variant({"decoupled_weight_decay": True}, decoupled(NADAM)),)),
    Row(
        "optimizer",
        Law(
            "torch.optim:SGD",
            Verdict.EXACT,
            exponents(SGD_DEFAULTS, lr=-1, weight_decay=1),
            {"momentum_buffer": Fraction(1)},
            defaults=SGD_DEFAULTS,
            inert=("dampening",),
        ),
    ),
    Row("optimizer", Law("torch.optim:Rprop", Verdict.EXACT, exponents(RPROP_DEFAULTS), defaults=RPROP_DEFAULTS)),
    Row(
        "optimizer",
        Law(
            "torch.optim:RAdam",
            Verdict.BROKEN,
            {k: v for k, v in exponents(RADAM_DEFAULTS, eps=1, weight_decay=1).items() if k != "lr"},
            ADAM_STATES,
            defaults=RADAM_DEFAULTS,
            clashes=(RADAM_CLASH,),
        ),
    ),
    Row(
        "optimizer",
        Law(
            "torch.optim:Adafactor",
            Verdict.BROKEN,
            exponents(ADAFACTOR_DEFAULTS),
            defaults=ADAFACTOR_DEFAULTS,
            clashes=(ADAFACTOR_CLASH,),
        ),
    ),
    Row(
        "optimizer",
        Law("zoo:Madgrad", Verdict.EXACT, exponents(MADGRAD_DEFAULTS, lr="-1/2", eps="3/2"), defaults=MADGRAD_DEFAULTS),
    ),
    Row(
        "clip",
        Law(
            "torch.nn.utils:clip_grad_norm_",
            Verdict.BROKEN,
            {"max_norm": Fraction(1), "norm_type": Fraction(0)},
            defaults={"max_norm": 1.0, "norm_type": 2.0},
            hidden_constants=(CLIP_CONSTANT,),
        ),
    ),
    Row(
        "clip",
        Law(
            "torch.nn.utils:clip_grad_value_", Verdict.EXACT, {"clip_value": Fraction(1)}, defaults={"clip_value": 1.0}
        ),
    ),
    Row(
        "schedule",
        Law(
            "torch.optim.lr_scheduler:CosineAnnealingLR",
            Verdict.EXACT,
            {},
            defaults={"T_max": 40, "eta_min": 0.01},
            follows={"eta_min": "lr"},
        ),
    ),
)
TABLE = {row.law.target: row for row in sorted(ROWS, key=lambda row: row.law.target)}

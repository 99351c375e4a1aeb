"""What tests of engines co-scale: optimizers with values that are powers of two, and the exponents they have."""

from typing import Any

LAWS: dict[str, tuple[str, dict[str, Any], dict[str, int]]] = {
    "momentum": ("SGD", dict(lr=2.0**-6, momentum=0.9, weight_decay=2.0**-9), dict(lr=-1, weight_decay=1)),
    "adam": ("Adam", dict(lr=2.0**-7, eps=2.0**-16, weight_decay=2.0**-9), dict(eps=1, weight_decay=1)),
    "amsgrad": ("Adam", dict(lr=2.0**-7, eps=2.0**-16, amsgrad=True), dict(eps=1)),
    "adamw": ("AdamW", dict(lr=2.0**-7, eps=2.0**-16), dict(eps=1)),
    "nadam": ("NAdam", dict(lr=2.0**-7, eps=2.0**-16), dict(eps=1)),
    "adamax": ("Adamax", dict(lr=2.0**-7, eps=2.0**-16), dict(eps=1)),
    "rmsprop": ("RMSprop", dict(lr=2.0**-7, eps=2.0**-16, centered=True, momentum=0.5), dict(eps=1)),
    "adagrad": (
        "Adagrad", dict(lr=2.0**-7, eps=2.0**-16, initial_accumulator_value=2.0**-9),
        dict(eps=1, initial_accumulator_value=2),
    ),
    "adadelta": ("Adadelta", dict(lr=0.5, eps=2.0**-16), dict(lr=-1, eps=2)),
    "asgd": ("ASGD", dict(lr=2.0**-6, lambd=2.0**-9, t0=5.0), dict(lr=-1, lambd=1)),
}  # fmt: skip

from lossgauge.frameworks.torch.stacking.groups import grouped
from lossgauge.records.sweep import Setting

ADAM = "torch.optim:Adam"


def test_values_seeds_and_multipliers_are_free():
    assert grouped([Setting(ADAM, {"lr": 0.1}), Setting(ADAM, {"lr": 0.2}, seed=3)]) == [[0, 1]]


def test_zeros_flags_texts_and_formats_are_not():
    settings = [
        Setting(ADAM, {"weight_decay": 0.1}), Setting(ADAM, {"weight_decay": 0.0}),
        Setting(ADAM, {"weight_decay": 0.2}),
        Setting(ADAM, {"weight_decay": 0.1}, precision="float64"), Setting("torch.optim:AdamW", {"weight_decay": 0.1}),
        Setting(ADAM, {"weight_decay": 0.1, "amsgrad": True}), Setting(ADAM, {"weight_decay": 0.1, "amsgrad": False}),
        Setting(ADAM, {"betas": (0.9, 0.0)}), Setting(ADAM, {"betas": (0.8, 0.5)}),
        Setting(ADAM, {"betas": (0.8, 0.6)}),
    ]  # fmt: skip
    assert grouped(settings) == [[0, 2], [1], [3], [4], [5], [6], [7], [8, 9]]

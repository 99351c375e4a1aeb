"""The question of the seed thread as a sweep: who feels a loss multiplier, and through what?

Every number is a power of two, so that equal dimensionless groups must give equal bits.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction

from lossgauge.records.sweep import PRECISIONS, Plan, Setting, Value, Workload

WORKLOAD = Workload("mlp-16-32-1", "mse", "regression", steps=200)
"""A tanh network with 577 weights that fits a smooth function with noise."""
POWERS = range(-20, 21)
"""log₂ of the loss multipliers: the asker's 1e5 is about 2^17."""
FAR = range(-80, 81, 4)
"""log₂ of the loss multipliers for the ends of the number formats."""
EPSILON = -27
"""log₂ of ε; the usual 1e-8 is 2^-26.6."""
EPSILONS = (-27, -20, -13, -6)
DECAYS = (-16, -10, -4)
"""log₂ of the weight decays whose curves are compared."""


@dataclass(frozen=True)
class Contender:
    """An optimizer of the question.

    Args:
        label: What it is called.
        optimizer: `module:Class`.
        rate: log₂ of the learning rate that is near its best at α = 1.
        rates: log₂ of the learning rates that are tried.
        decay: log₂ of its weight decay, where it has any.
        fixed: Further hyperparameters.
        scale_free: Whether the law lets α act through ε, and not through the learning rate.
        coupled: Whether weight decay is added to the gradient, so that it has units of the loss.
    """

    label: str
    optimizer: str
    rate: int
    rates: range
    decay: int = -10
    fixed: Mapping[str, Value] | None = None
    scale_free: bool = True
    coupled: bool = True

    def setting(self, power: int, precision: str = "float32", **powers: int) -> Setting:
        """One training.

        Args:
            power: log₂ α.
            precision: The number format.
            powers: log₂ of the hyperparameters that are not as usual.

        Returns:
            The setting.
        """
        usual = {"lr": self.rate} | ({"eps": EPSILON} if self.scale_free else {})
        values: dict[str, Value] = {name: 2.0**value for name, value in (usual | powers).items()}
        none: dict[str, Value] = {} if "weight_decay" in values else {"weight_decay": 0.0}
        return Setting(self.optimizer, values | none | dict(self.fixed or {}), Fraction(2) ** power, 0, precision)


CONTENDERS = (
    Contender("SGD", "torch.optim:SGD", -2, range(-20, 17, 3), scale_free=False),
    Contender("momentum", "torch.optim:SGD", -5, range(-23, 14, 3), fixed={"momentum": 0.9}, scale_free=False),
    Contender("Adam", "torch.optim:Adam", -6, range(-14, 3, 2)),
    Contender("NAdam", "torch.optim:NAdam", -6, range(-14, 3, 2)),
    Contender("AdamW", "torch.optim:AdamW", -6, range(-14, 3, 2), decay=-1, coupled=False),
)


def plan_question(workload: Workload = WORKLOAD, contenders: Iterable[Contender] = CONTENDERS) -> Plan:
    """All trainings of the demonstration.

    Args:
        workload: What is trained.
        contenders: The optimizers.

    Returns:
        The plan: α alone, with weight decay and without; α × learning rate; α × ε; α × weight decay, all other groups
        held; and α with everything co-scaled in every number format.
    """
    named = {setting: one.label for one in contenders for setting in _hashable(_settings(one))}
    settings = [plain.setting for plain in named]
    return Plan(workload, tuple(settings), tuple(named.values()))


@dataclass(frozen=True)
class _Known:
    """A setting that can be looked up."""

    setting: Setting
    key: tuple[object, ...]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Known) and other.key == self.key

    def __hash__(self) -> int:
        return hash(self.key)


def _hashable(settings: Iterable[Setting]) -> Iterator[_Known]:
    for setting in settings:
        values = tuple(sorted(setting.hyperparameters.items()))
        yield _Known(setting, (setting.optimizer, values, setting.alpha, setting.precision))


def _settings(one: Contender) -> Iterator[Setting]:
    for power in POWERS:
        yield one.setting(power)
        yield one.setting(power, weight_decay=one.decay)
        yield from (one.setting(power, lr=rate) for rate in one.rates)
        if one.scale_free:
            yield from (one.setting(power, eps=epsilon) for epsilon in EPSILONS)
        if one.coupled:
            yield from (_held(one, power, weight_decay=decay) for decay in DECAYS)
    if one.label == "Adam":
        for precision in PRECISIONS:
            yield from (_held(one, power, precision) for power in FAR)


def _held(one: Contender, power: int, precision: str = "float32", **powers: int) -> Setting:
    """A training whose groups, but for those of `powers`, are what they are at α = 1."""
    moved = {"eps": EPSILON + power} if one.scale_free else {"lr": one.rate - power}
    return one.setting(power, precision, **moved, **powers)

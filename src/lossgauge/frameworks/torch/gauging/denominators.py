"""The second moment as a step uses it: √v̂ with its bias correction, and the ε it stands beside.

What is known here is general: which state has degree 2 in the loss, by the law; that `betas` and `step` mean a bias
correction; that an ε of exponent 2 stands inside the root. The few places where torch's own optimizers go another way
are named one by one.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lossgauge.frameworks.torch.gauging.elements import plain
from lossgauge.laws.law import Law

FACTORS = ("row_var", "col_var")
"""The two states whose product Adafactor takes for the second moment of a matrix."""
_WELL_KNOWN = {"exp_avg": 1, "grad_avg": 1, "exp_avg_sq": 2, "max_exp_avg_sq": 2, "square_avg": 2} | dict.fromkeys(
    FACTORS, 2
)
_USED_FIRST = ("max_exp_avg_sq", "exp_avg_sq", "square_avg", "sum", "variance")  # Adadelta has a second one, acc_delta
_EPSILONS = ("eps", "epsilon", "eps[0]")
_ROOT_THEN_CORRECTED = (torch.optim.RAdam, torch.optim.SparseAdam)  # √v + ε first, and then the bias correction
_CORRECTIONS = ("correct_bias", "bias_correction")  # flags that switch it off, in transformers and in apex
_UNRECTIFIED = 5.0  # RAdam leaves the second moment out up to this length of its average


@dataclass(frozen=True)
class Moments:
    """Where an optimizer keeps the moments of a gradient, and how its step uses them.

    Args:
        used: The state the denominator is made of; empty where there is none.
        raw: The state the squared gradient goes into; empty where there is none.
        mean: The state that averages the gradient itself; empty where there is none.
        rooted: Whether the root of `used` is taken; Adamax keeps sizes, of degree 1.
        centered: Whether the square of `mean` is subtracted first.
        decays: (β₁, β₂), as far as they exist.
        corrected: Whether the step corrects the denominator for its start at zero.
        epsilon: ε as it is set, in L/W outside the root and L²/W² inside it; None without.
        inside: Whether ε stands inside the root.
        late: Whether ε is added before the bias correction, which then applies to it too.
        rectified: Whether the first steps leave the second moment out, as RAdam's do.
        format: The number format of these states.
    """

    used: str = ""
    raw: str = ""
    mean: str = ""
    rooted: bool = True
    centered: bool = False
    decays: tuple[float | None, float | None] = (None, None)
    corrected: bool = False
    epsilon: float | None = None
    inside: bool = False
    late: bool = False
    rectified: bool = False
    format: torch.dtype = torch.float32

    @property
    def names(self) -> tuple[str, ...]:
        """The states that have to be read."""
        factored = FACTORS if self.used == FACTORS[0] else (self.used,)
        return tuple(dict.fromkeys(name for name in (*factored, self.raw, self.mean) if name))

    def applies(self, step: float) -> bool:
        """Whether the step divides by the second moment.

        Args:
            step: The count of steps of this tensor, this one included.

        Returns:
            False without a second moment, and in the first steps of RAdam.
        """
        beta = self.decays[1]
        if not self.rectified or beta is None or step < 1:
            return bool(self.used)
        longest = 2 / (1 - beta) - 1
        return bool(self.used) and longest - 2 * step * beta**step / (1 - beta**step) > _UNRECTIFIED

    def correction(self, step: float, order: int = 1) -> float:
        """The weight an average that began at zero has gathered: 1 − βᵗ.

        Args:
            step: t.
            order: 0 for the mean, 1 for the second moment.

        Returns:
            Between 0 and 1, dimensionless; 1 where no decay rate is known.
        """
        beta = self.decays[order]
        return 1.0 if beta is None or step < 1 or not 0 < beta < 1 else 1.0 - beta**step

    def threshold(self, step: float) -> float | None:
        """The size of √v̂ at which ε is half of the denominator, or all of it where it is a floor.

        Args:
            step: t.

        Returns:
            ε in L/W as it compares with √v̂; None without ε.
        """
        if self.epsilon is None:
            return None
        if not self.rooted:
            return 2 * self.epsilon  # Adamax adds ε to every |g| that goes into its maximum
        size = math.sqrt(self.epsilon) if self.inside else self.epsilon
        return size / math.sqrt(self.correction(step)) if self.late else size


def moments_of(optimizer: torch.optim.Optimizer, group: Mapping[str, Any], tensor: Tensor, law: Law | None) -> Moments:
    """Find the moments of one weight tensor.

    Args:
        optimizer: The live optimizer, after at least one step; it is only read.
        group: The tensor's group.
        tensor: The weight.
        law: Its law; without one only well-known names of states are understood.

    Returns:
        What was found, by name.
    """
    state = optimizer.state.get(tensor, {})
    if not isinstance(state, Mapping):
        return Moments()
    known = dict(law.states) if law is not None and law.states else _WELL_KNOWN
    fitting = [n for n, v in state.items() if isinstance(v, Tensor) and v.shape == tensor.shape and n in known]
    second = sorted((n for n in fitting if known[n] == 2), key=_rank)
    if isinstance(optimizer, torch.optim.Adamax):
        used = "exp_inf" if "exp_inf" in state else ""
        raw = ""
    elif all(name in state for name in FACTORS):
        used, raw = FACTORS[0], ""
    else:
        used = second[0] if second else ""
        raw = next((name for name in second if not name.startswith("max_")), "")
    means = [name for name in ("exp_avg", "grad_avg") if name in fitting and known[name] == 1] if used else []
    epsilon, inside = _epsilon(group, tensor, law)
    return Moments(
        used=used,
        raw=raw,
        mean=means[0] if means else "",
        rooted=used != "exp_inf",
        centered=bool(group.get("centered")) and "grad_avg" in state,
        decays=_decays(group),
        corrected=("betas" in group or "beta2" in group) and all(group.get(flag, True) for flag in _CORRECTIONS),
        epsilon=epsilon,
        inside=inside,
        late=isinstance(optimizer, _ROOT_THEN_CORRECTED),
        rectified=isinstance(optimizer, torch.optim.RAdam),
        format=state[used].dtype if used else torch.float32,
    )


def denominator(moments: Moments, states: Mapping[str, np.ndarray], step: float) -> np.ndarray | None:
    """√v̂ of the observed elements.

    Args:
        moments: Where to find it.
        states: The observed elements of the states by name, float64, after the step.
        step: t, this step included.

    Returns:
        In L/W; None where the step divides by no second moment.
    """
    if not moments.applies(step) or moments.used not in states:
        return None
    value = states[moments.used]
    if not moments.rooted:
        return value
    if moments.centered:
        value = value - states[moments.mean] ** 2
    with np.errstate(invalid="ignore"):  # a centered moment may come out negative, and the step then has nan as well
        return np.sqrt(value / moments.correction(step) if moments.corrected else value)


def signal(moments: Moments, states: Mapping[str, np.ndarray], step: float) -> float | None:
    """‖m̂‖/‖√v̂‖, how much of the gradients agrees from step to step; both corrected for their start at zero.

    Args:
        moments: Where to find them.
        states: The observed elements of the states by name, float64, after the step.
        step: t, this step included.

    Returns:
        Between 0 and about 1, dimensionless; None without both moments, or where they are zero or not finite.
    """
    if not moments.mean or not moments.raw:
        return None
    size = math.sqrt(max(float(states[moments.raw].sum()) / moments.correction(step), 0.0))
    mean = _norm(states[moments.mean]) / moments.correction(step, 0)
    return mean / size if size > 0 and math.isfinite(mean / size) else None


def factored(row: np.ndarray, column: np.ndarray, shape: tuple[int, ...], where: np.ndarray) -> np.ndarray:
    """Elements of the second moment Adafactor rebuilds from its two factors.

    Args:
        row: Means of g² over the last dimension, flat, in L²/W².
        column: Means over the last but one, flat, in L²/W².
        shape: Of the weight.
        where: Flat positions of the elements.

    Returns:
        row·column/mean(row), in L²/W².
    """
    rows, columns = shape[-2], shape[-1]
    batch, inside = np.divmod(where, rows * columns)
    row, column = row.reshape(-1, rows), column.reshape(-1, columns)
    mean = row.mean(axis=1)[batch]
    product = row[batch, inside // columns] * column[batch, inside % columns]
    return np.divide(product, mean, out=np.zeros_like(product), where=mean != 0)


def step_count(state: Any) -> Tensor:
    """How many steps a tensor has made.

    Args:
        state: Its state; the count is a number or a tensor of one, which may be on a device.

    Returns:
        A tensor of one; 0 where no step is counted.
    """
    step = state.get("step", 0) if isinstance(state, Mapping) else 0
    if isinstance(step, Tensor):
        return plain(step).reshape(-1)[:1]
    return torch.tensor([float(step) if isinstance(step, (int, float)) else 0.0], device="cpu")


def _rank(name: str) -> tuple[int, str]:
    return (_USED_FIRST.index(name) if name in _USED_FIRST else len(_USED_FIRST), name)


def _decays(group: Mapping[str, Any]) -> tuple[float | None, float | None]:
    betas = group.get("betas")
    if isinstance(betas, (tuple, list)) and len(betas) > 1:
        return float(betas[0]), float(betas[1])
    if isinstance(group.get("beta2"), float):
        return group.get("beta1"), group["beta2"]
    if "centered" in group:  # RMSprop averages both with one rate
        return group.get("alpha"), group.get("alpha")
    return None, None


def _epsilon(group: Mapping[str, Any], tensor: Tensor, law: Law | None) -> tuple[float | None, bool]:
    for name in _EPSILONS:
        base, bracket, _ = name.partition("[")
        value = group.get(base)
        entry = value[0] if bracket and isinstance(value, (tuple, list)) else value
        if base not in group or isinstance(entry, (tuple, list)):
            continue
        if entry is None:  # Adafactor: the spacing of the weight's own format
            entry = torch.finfo(tensor.dtype).eps
        return float(entry), law is not None and law.exponents.get(name) == 2
    return None, False


def _norm(values: np.ndarray) -> float:
    return float(np.sqrt(np.square(values).sum()))

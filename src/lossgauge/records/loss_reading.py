"""What the autograd graph of one backward says about the loss: its terms, reductions, factors, and what it reaches."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Spread:
    """The distribution of a set of numbers, in their own units.

    Args:
        mean: Their mean.
        deviation: Their standard deviation.
        median: The median of their absolute values.
        high: The 99th percentile of their absolute values.
        largest: The largest absolute value.
        count: How many they are.
    """

    mean: float
    deviation: float
    median: float
    high: float
    largest: float
    count: int


@dataclass(frozen=True)
class Term:
    """One summand of the loss.

    Args:
        index: Its number, from 0, in the order of the graph.
        functions: The names of its autograd functions from the top, up to the loss function proper.
        kind: `regression`, `classification`, `divergence` (a Kullback-Leibler term), `policy` (log-probabilities times
            advantages), `penalty` (of the weights alone), `custom` (a Function of the user's), or `other`.
        factor: The product of the explicit constants it is multiplied by, from the loss down to the loss function
            proper, mixed precision's scale apart. A constant 1/n that makes a mean of a sum counts in `items` instead.
        reduction: `mean` where the sum over all elements is divided by their number, `sum` where it is not divided,
            `partial` where it is divided by another number (summed over features, averaged over the batch), or empty
            for a single element without reduction.
        items: The number the sum over all elements is divided by; for a cross entropy the targets that count.
        batch: The size of the first dimension of what is reduced.
        value: What it adds to the loss, in loss units, where it could be recomputed from the graph.
        gradient_norm: ‖∂term/∂w‖ over the observed weights that every term reaches, in L/W, at sampled steps.
        residual: What a regression squares (or takes the absolute value of), output minus target.
        output: The network's output, where it could be recomputed.
        target: The targets, where they could be recomputed.
        knee: The threshold of a Huber or smooth-L1 loss, in target units; None for others.
        class_weights: The smallest and the largest weight of a weighted cross entropy.
        one_class: Whether all targets of this batch are of one class.
        guess: Of a classification, the mean cross entropy of guessing by the frequencies of the classes in this batch,
            in nats per target; None for others, and with class weights.
        elements: How many elements the loss has before any reduction; ignored and masked ones do not count.
    """

    index: int
    functions: tuple[str, ...] = ()
    kind: str = "other"
    factor: float = 1.0
    reduction: str = ""
    items: int | None = None
    batch: int | None = None
    value: float | None = None
    gradient_norm: float | None = None
    residual: Spread | None = None
    output: Spread | None = None
    target: Spread | None = None
    knee: float | None = None
    class_weights: tuple[float, ...] = ()
    one_class: bool | None = None
    guess: float | None = None
    elements: int | None = None


@dataclass(frozen=True)
class LossReading:
    """What one backward was read to be.

    Args:
        step: The optimizer step it belongs to, from 1 (over all optimizers).
        backward: Its number within that step, from 0.
        value: The loss, in the user's own units: the scale of mixed precision is divided out.
        factor: The product of the explicit constants the whole loss is multiplied by, mixed precision's scale apart.
        scale: Mixed precision's scale on this loss; 1 without.
        terms: Its summands; one for a loss that is no sum.
        custom: Custom autograd functions in the graph → whether they ignore the gradient that is handed to them
            (None where that was not tried).
        formats: The number formats of the gradients in the graph → how many nodes have them.
        strangers: Trained tensors the loss reaches that no optimizer holds → their number of elements; nameless ones
            are called `parameter 3×4`, or `tensor 3×4` where they are no `nn.Parameter`.
        reached: How many tensors of the optimizers the loss reaches.
        flushed: By tensor number, the share of gradient elements that are zero here but would not be with the loss
            multiplied by 2^24 (the counterfactual of underflow); None where it was not tried.
        flushed_at: The power of two of that counterfactual.
        stage: Of its gradients: `micro`, of this one backward, with mixed precision's scale divided out.
        skipped: Why the parts that need an extra backward were left out; empty when they were not.
    """

    step: int
    backward: int = 0
    value: float | None = None
    factor: float = 1.0
    scale: float = 1.0
    terms: tuple[Term, ...] = ()
    custom: Mapping[str, bool | None] = field(default_factory=dict[str, "bool | None"])
    formats: Mapping[str, int] = field(default_factory=dict[str, int])
    strangers: Mapping[str, int] = field(default_factory=dict[str, int])
    reached: int = 0
    flushed: Mapping[str, float] | None = None
    flushed_at: int = 0
    skipped: str = ""
    stage: str = "micro"

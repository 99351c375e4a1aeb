"""Log-probabilities of choices: of labels, or of the actions a policy takes."""

from collections.abc import Iterator
from typing import Any

from lossgauge.frameworks.torch.gauging.graph import in_python
from lossgauge.frameworks.torch.gauging.names import PASSING, ROWS
from lossgauge.frameworks.torch.gauging.saved import shape_of

NODES = 60
"""Operations under a loss function that are looked at."""
ALIKE = 4
"""Entries of a row that are looked at."""
LAYERS = (
    "Addmm", "Mm", "Bmm", "Baddbmm", "Convolution", "Embedding", "Native", "Cudnn", "Miopen", "Mkldnn", "ScaledDot",
    "Linear", "Mv", "torch::",
)  # fmt: skip
"""Where the network begins: how the names of its autograd nodes begin."""
PICKING = {"GatherBackward0", "IndexBackward0", "SelectBackward0"}
PROBABILITIES = {"SoftmaxBackward0", "SigmoidBackward0"}


def region_of(node: Any) -> Iterator[Any]:
    """The nodes between a loss function and the network, breadth first.

    Args:
        node: The autograd node of the loss function.

    Yields:
        It, and what is below; of a row of scalars, which are alike, the first few.
    """
    level, seen = [node], {node}
    while level and len(seen) < NODES:
        yield from level
        further: list[Any] = []
        for above in level:
            if above.name().startswith(LAYERS) or in_python(above) is not None:
                continue
            inputs = above.next_functions
            for source, _ in inputs[:ALIKE] if above.name() in ROWS else inputs:
                if source is not None and source not in seen:
                    seen.add(source)
                    further.append(source)
        level = further


def is_log_probability(node: Any) -> bool:
    """Whether a node computes log-probabilities of classes.

    Args:
        node: A node of the autograd graph.

    Returns:
        True for log-softmax, logits minus their logsumexp, and logarithms of a softmax.
    """
    for _ in range(6):
        name = node.name()
        inputs = [source for source, _ in node.next_functions if source is not None]
        if name in ("LogSoftmaxBackward0", "SoftmaxBackward0"):
            return name == "LogSoftmaxBackward0"
        if name == "SubBackward0" and any(source.name() == "LogsumexpBackward0" for source in inputs):
            return True
        if name == "SubBackward0" and len(inputs) == 1:  # the logarithm of a ratio to earlier, constant probabilities
            node = inputs[0]
            continue
        if name == "LogBackward0":
            return any(source.name() in PROBABILITIES for source in region_of(node))
        if name not in PASSING or not inputs:
            return False
        node = inputs[0]
    return False


def is_choice(node: Any) -> bool:
    """Whether a node is the log-probability of one single choice.

    Args:
        node: A node of the autograd graph.

    Returns:
        False for those of a whole batch.
    """
    while node.name() in PASSING:
        node = node.next_functions[0][0]
    single = shape_of(node) in ((), (1,), (1, 1))
    return single and node.name() in PICKING and is_log_probability(node.next_functions[0][0])

"""What torch uses of the machine it runs on."""

import sys

import torch


def threads_in_use() -> int:
    """How many threads an operation may use.

    Returns:
        A count, at least 1.
    """
    return torch.get_num_threads()


def use_threads(count: int) -> None:
    """Let operations use as many threads as in another run; sums are then added up in the same order.

    Args:
        count: How many, at least 1.
    """
    if count != torch.get_num_threads():
        torch.set_num_threads(count)


def accelerator_in_use() -> bool:
    """Whether this process has work on an accelerator, whose memory it may fill.

    Returns:
        True once CUDA (or ROCm), XPU or MPS was used.
    """
    if torch.cuda.is_initialized():
        return True
    if hasattr(torch, "xpu") and torch.xpu.is_initialized():
        return True
    return torch.backends.mps.is_available() and torch.mps.current_allocated_memory() > 0


def frames_compiled() -> int:
    """How much `torch.compile` has compiled in this process so far; nothing is loaded to find out.

    Returns:
        The number of Python's frames.
    """
    counters = getattr(sys.modules.get("torch._dynamo.utils"), "counters", {})
    return counters["frames"]["ok"] if "frames" in counters else 0

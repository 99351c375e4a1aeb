"""How much memory a piece of code takes at its peak, to the byte: torch's allocations, numpy's and Python's own."""

import tracemalloc
from collections.abc import Callable
from itertools import accumulate
from typing import Any

from torch.autograd.profiler import profile


def peak(action: Callable[[], Any]) -> tuple[int, Any]:
    """Run something and see how much memory it has beyond what was there before.

    Args:
        action: What is run, on the CPU.

    Returns:
        Bytes at the peak of torch's allocations plus those at the peak of everything Python and numpy allocated, which
        may have been at another moment; and what it returned.
    """
    tracemalloc.start()
    try:
        recorded: Any = profile(use_kineto=True, profile_memory=True, use_cpu=True)
        with recorded:
            before = tracemalloc.get_traced_memory()[0]
            tracemalloc.reset_peak()
            outcome = action()
            own = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    events: list[Any] = [event for event in recorded.kineto_results.events() if event.name() == "[memory]"]
    sizes = [event.nbytes() for event in sorted(events, key=lambda event: event.start_ns())]
    most = max(accumulate(sizes), default=0)
    return most + own, outcome

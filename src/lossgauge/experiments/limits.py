"""What an attribution takes for granted, or cannot reach, in words."""

from collections.abc import Sequence

from lossgauge.records.run import Run


def say_limits(run: Run, names: Sequence[str]) -> list[str]:
    """What the runs take for granted, or cannot reach.

    Args:
        run: The untouched run.
        names: The quantities whose parts are told.

    Returns:
        Sentences without a full stop.
    """
    notes = [
        f"an early stop asks for improvements of {delta:g} at {place}: it compares the user's own loss, which these "
        "runs do not multiply, so what α does through it is no part of the change"
        for place, delta in run.stop_deltas.items()
        if delta
    ]
    if "threshold" in names:
        notes.append("what the plateau schedule is fed is taken for a loss, and multiplied too")
    return notes


def say_drawn(players: int, orders: int, most: int, drawn: int) -> str:
    """That not all subsets were run, and what was instead.

    Args:
        players: How many quantities there are.
        orders: How many orders were drawn.
        most: How many runs were asked for at most.
        drawn: How many runs the orders take.

    Returns:
        A sentence without a full stop.
    """
    more = f"; {most} runs were asked for at most, and {drawn} are the fewest from which an interval can be told"
    return (
        f"{players} quantities have too many subsets to run all: parts are means over {orders} orders, each with a "
        f"95 % interval{more if drawn > most else ''}"
    )

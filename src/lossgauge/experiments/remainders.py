"""What is left of a change when everything is co-scaled, and what it comes from."""

from fractions import Fraction

from lossgauge.experiments.measurements import Measurements, Setting
from lossgauge.experiments.twins import GENTLE
from lossgauge.laws.formats import SMALLEST_NORMAL
from lossgauge.laws.law import Law
from lossgauge.laws.multiplier import spell
from lossgauge.laws.verdict import Verdict

CONSTANT, FORMAT, UNKNOWN = "hidden constant", "number format", "unexplained"
"""What such a remainder is called."""
HELP = "and mixed precision's scaler would help"
OUTSIDE = "for float32 itself ends at about 1e-38 and 3e38; choose an α well inside"


def find_cause(runs: Measurements, twin: Setting) -> tuple[str, str]:
    """Why the twin with everything co-scaled is not the untouched training.

    Args:
        runs: The runs; where every law in use is lawful two more are made.
        twin: The setting of the twin.

    Returns:
        A name, `hidden constant`, `number format` or `unexplained`, and the reason in one line.
    """
    failure, ended = runs.found[twin].failure, runs.found[twin].diverged
    laws = runs.laboratory.laws_in_use()
    broken = [law for law in laws if law.verdict == Verdict.BROKEN]
    unknown = [law for law in laws if not law.lawful and law not in broken]
    if broken and (_in_range(twin.alpha) or not ended):
        return CONSTANT, "; ".join(_say(law) for law in broken)
    if unknown:
        return UNKNOWN, f"the law of {unknown[0].title} is not established"
    beyond = _find_range(runs, twin)
    if beyond:
        return FORMAT, beyond
    if failure:
        return UNKNOWN, failure
    hooked = runs.laboratory.reference.hooked
    where = f"; {hooked} has a hook of the user's, which may be it" if hooked else ""
    return UNKNOWN, (
        f"with everything co-scaled the bits differ at {spell(twin.alpha)}, though every optimizer has a law; "
        "something else in the training has units of the loss, such as a threshold on gradients or a clip function "
        "of its own"
        f"{where}"
    )


def _find_range(runs: Measurements, twin: Setting) -> str:
    """Whether the range of a number format is what makes the difference, and how that is known."""
    gentle = Setting(GENTLE if twin.alpha > 1 else 1 / GENTLE)
    inside = Setting(twin.alpha, None, "scaler")
    runs.run({one: "checks" for one in (gentle, inside) if one != twin})
    at = spell(twin.alpha)
    hooked = runs.laboratory.reference.hooked
    if not runs.identical(inside) and not hooked:
        return (
            f"gradients multiplied by {at} on their way, and divided by it where they end, are not the same: some of "
            f"them leave the range of their number format, {HELP if _in_range(twin.alpha) else OUTSIDE}"
        )
    if runs.found[twin].failure:
        return ""
    if gentle != twin and runs.identical(gentle):
        return (
            f"with everything co-scaled the bits are equal at {spell(gentle.alpha)} but not at {at}: some quantity "
            "leaves the range of its number format in between"
        )
    narrow = [one.target for one in runs.laboratory.reference.participants if "float16" in one.formats]
    if narrow:
        return f"{narrow[0].rpartition(':')[2]} works in float16, in which small squares and a small eps are lost"
    return ""


def _in_range(alpha: Fraction) -> bool:
    """Whether float32 itself could hold the multiplier."""
    return SMALLEST_NORMAL["float32"] <= alpha < 1 / SMALLEST_NORMAL["float32"]


def _say(law: Law) -> str:
    return f"{law.title} has no law: {law.reason()}".rstrip(": ")

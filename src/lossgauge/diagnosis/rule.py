"""What a rule is: a code and a name, a page that explains it, and a check that reads a case."""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from lossgauge.diagnosis.case import Case
from lossgauge.laws.spelling import spell_list
from lossgauge.records.diagnosis import Finding, Remedy
from lossgauge.records.treatment import Treatment

SCALE = "scale"
NOT_SCALE = "not scale"
HEALTHY = (1e-4, 1e-2)
"""The decades of ‖Δw‖/‖w‖ per step in which networks usually train well (Karpathy 2015, CS231n: about 1e-3)."""
FROZEN = 1e-5
"""A relative update per step below which a training of ordinary length gets nowhere."""
VIOLENT = 3e-2
"""A relative update per step above which weights are thrown about."""


@dataclass(frozen=True)
class Page:
    """The page of a rule.

    Args:
        what: What the finding says.
        why: Why it matters, and what it has to do with the loss multiplier.
        evidence: What has to be seen before it is reported.
        remedy: What to do.
        fine: When this is fine.
        source: Where it is described: paper, issue, documentation.
    """

    what: str
    why: str
    evidence: str
    remedy: str
    fine: str
    source: str = ""


class Rule(ABC):
    """One finding: when it applies, how it is seen, what cures it.

    `rank` puts findings of the same severity in order: the more specific the cause, the smaller. `every` says that the
    rule looks at an optimizer's own numbers, so that every optimizer is asked and not the main one alone. Every
    comparison in `check` is between quantities of the same unit, so that a change of units changes no verdict.
    """

    code: ClassVar[str]
    name: ClassVar[str]
    title: ClassVar[str]
    group: ClassVar[str] = SCALE
    rank: ClassVar[float] = 50.0
    every: ClassVar[bool] = False
    page: ClassVar[Page]

    @abstractmethod
    def check(self, case: Case) -> Finding | None:
        """Look for the finding.

        Args:
            case: The training.

        Returns:
            The finding; None where it is not there, or the case does not have what the rule needs.
        """

    def finding(
        self,
        severity: str,
        message: str,
        evidence: Mapping[str, Any],
        *,
        where: str = "",
        treatments: Sequence[Treatment] = (),
        advice: str = "",
        measure: str = "loss",
        matters: float = 0.02,
        most: str = "fault",
    ) -> Finding:
        """Make the finding.

        Args:
            severity: `fault`, `warning` or `info`.
            message: What is the matter.
            evidence: The numbers it rests on.
            where: What it concerns.
            treatments: What could be tried, the best first.
            advice: What to do, or to do besides, in words.
            measure: What a treatment has to improve.
            matters: The smallest improvement that counts, as a share of the start.
            most: The worst it can be, whatever a trial shows.

        Returns:
            The finding, with this rule's code and name.
        """
        known = {name: value for name, value in evidence.items() if value is not None}
        return Finding(self.code, self.name, severity, message, where, known, Remedy(advice), tuple(treatments),
                       self.rank, measure, matters, most)  # fmt: skip


def blame(case: Case, suffers: bool | None = None) -> str:
    """The severity of a signal: a fault only where training suffers, for one signal is no fault.

    Args:
        case: The training.
        suffers: Whether it suffers; None asks the course of the loss.

    Returns:
        `fault`; `warning` where the loss was still coming down when the run ended, which short and healthy runs do
        too, so that only a trial can say more; `info` where training does not suffer.
    """
    if suffers is None and case.progress.state == "slow":
        return "warning"
    return "fault" if (case.progress.suffers if suffers is None else suffers) else "info"


def round_down(factor: float) -> float:
    """The power of ten below a factor, so that remedies are numbers people would choose.

    Args:
        factor: Any positive number.

    Returns:
        10^⌊log10 factor⌋, within the range of float64.

    >>> round_down(3.2e-6), round_down(250.0)
    (1e-06, 100.0)
    """
    power = math.log10(min(max(factor, 1e-300), 1e300))
    return float(f"1e{math.floor(power + 1e-9)}")


def names(tensors: Iterable[str], most: int = 3) -> str:
    """The names of tensors, the first few and how many there are.

    Args:
        tensors: Their names.
        most: How many are written out.

    Returns:
        Text such as `0.weight, 0.bias and 12 more`.
    """
    known = list(tensors)
    if len(known) <= most + 1:
        return spell_list(known)
    return f"{', '.join(known[:most])} and {len(known) - most} more"


def percent(share: float | None) -> str:
    """A share for people.

    Args:
        share: Between 0 and 1.

    Returns:
        Text such as `86 %`; never 100 % where something is left.
    """
    if share is None:
        return "?"
    whole = f"{100 * share:.0f}"
    if whole == "100" and share < 1:
        whole = "over 99"
    return f"{whole} %"

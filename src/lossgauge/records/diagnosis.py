"""What follows from a session: findings with their evidence and remedies, and the window of α."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lossgauge.records.plain import to_plain
from lossgauge.records.treatment import Treatment

SCHEMA = "lossgauge.diagnosis/1"
SEVERITIES = ("fault", "warning", "info")
"""From worst to mildest: training suffers from it; it may suffer; it is there and does no harm."""


@dataclass(frozen=True)
class Remedy:
    """What to do about a finding.

    Args:
        text: The change in words, with numbers.
        change: The change as data: setting → [now, then], or what the treatment says.
        verified: True when it was tried and helped, None when it was not tried. A remedy that was tried and did not
            help is not recommended: then `text` says what to change in the code, or what was tried in vain, and this
            is False.
        before: The compared quantity at the end of the untouched run.
        after: The same at the end of the treated run.
        measure: What `before` and `after` are.
    """

    text: str
    change: Mapping[str, Any] = field(default_factory=dict[str, Any])
    verified: bool | None = None
    before: float | None = None
    after: float | None = None
    measure: str = ""


@dataclass(frozen=True)
class Finding:
    """One finding.

    Args:
        code: `LG001`.
        name: Its fixed name, such as `eps-dominates`.
        severity: `fault`, `warning` or `info`.
        message: What is the matter, in a sentence or two with the numbers.
        where: What it concerns: tensors, an optimizer's setting, a line.
        evidence: The numbers it rests on.
        remedy: What to do.
        treatments: What could be tried to settle it, the best first; empty where no number cures it.
        rank: Its place among findings of the same severity: the more specific the cause, the smaller.
        measure: What a treatment has to improve: `loss`, `highest` (of the losses of a fifth of the run),
            `residual`, `term 1`, `bound` (the evidence lower bound).
        matters: The smallest improvement that counts, as a share of what training began with.
        most: The worst it can be, whatever a trial shows: `warning` for what may have been done on purpose.
        optimizer: The number of the optimizer it was found at; None for the main one.
    """

    code: str
    name: str
    severity: str
    message: str
    where: str = ""
    evidence: Mapping[str, Any] = field(default_factory=dict[str, Any])
    remedy: Remedy = field(default_factory=lambda: Remedy(""))
    treatments: tuple[Treatment, ...] = ()
    rank: float = 50.0
    measure: str = "loss"
    matters: float = 0.02
    most: str = "fault"
    optimizer: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """The fields outside checks rely on.

        Returns:
            A JSON-ready dictionary.
        """
        remedy = {"text": self.remedy.text, "change": to_plain(self.remedy.change), "verified": self.remedy.verified,
                  "before": self.remedy.before, "after": self.remedy.after, "measure": self.remedy.measure}  # fmt: skip
        return {
            "code": self.code,
            "name": self.name,
            "severity": self.severity,
            "message": self.message,
            "where": self.where,
            "evidence": to_plain(self.evidence),
            "remedy": remedy,
        }


@dataclass(frozen=True)
class Limit:
    """One edge of the window of α: how far the loss may be multiplied, everything else untouched, before it is met.

    Args:
        name: `underflow`, `epsilon`, `clip` or `overflow`.
        log2: The power of two of α at which half of the elements (or the norm) are beyond the edge; today is 0.
        from_log2: Where the first percent is.
        to_log2: Where 99 percent are.
    """

    name: str
    log2: float
    from_log2: float
    to_log2: float


@dataclass(frozen=True)
class Window:
    """The limits on α of one tensor, or of all together.

    Args:
        name: The tensor's name; `all` for everything.
        limits: Its edges; those that cannot be met are absent.
    """

    name: str
    limits: tuple[Limit, ...] = ()


@dataclass(frozen=True)
class Diagnosis:
    """The answer to "what is the loss scale doing in my training".

    Args:
        script: What was run.
        steps: Optimizer steps observed.
        findings: The main one first.
        gauges: The numbers beside them: elasticity, relative update, clipping, loss function, window, ending.
        windows: The safe windows of α: the first for everything, then tensor by tensor.
        answer: The answer in one sentence.
        notes: What could not be observed, what to ask next.
    """

    script: str
    steps: int
    findings: tuple[Finding, ...]
    gauges: Mapping[str, Any] = field(default_factory=dict[str, Any])
    windows: tuple[Window, ...] = ()
    answer: str = ""
    notes: tuple[str, ...] = ()

    @property
    def healthy(self) -> bool:
        """Whether there is no finding of severity fault, and the loss was finite in the end."""
        return all(finding.severity != "fault" for finding in self.findings) and self.gauges.get("state") != "broken"

    def to_dict(self) -> dict[str, Any]:
        """Plain data: what `--json` prints.

        Returns:
            A JSON-ready dictionary.
        """
        return {
            "schema": SCHEMA,
            "script": self.script,
            "steps": self.steps,
            "healthy": self.healthy,
            "answer": self.answer,
            "findings": [finding.to_dict() for finding in self.findings],
            "gauges": to_plain(self.gauges),
            "windows": to_plain(self.windows),
            "notes": list(self.notes),
        }

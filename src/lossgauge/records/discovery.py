"""The record of a discovery: the law of one optimizer and what each of the three ways said."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lossgauge.laws.law import Law, plain_value, texts
from lossgauge.laws.verdict import Verdict

SCHEMA = "lossgauge.discover/1"


@dataclass(frozen=True)
class Discovery:
    """What was found out about one optimizer.

    Args:
        law: The law.
        settings: The settings of the optimizer: its defaults and what the user set.
        studied_at: The values at which every hyperparameter matters and the law was read off.
        evidence: `infer`, `probe` and `certify`, each as plain data.
        disagreements: Where the three ways do not say the same, with the explanation where there is one.
        advice: What to do with the result, in words.
    """

    law: Law
    settings: Mapping[str, Any]
    studied_at: Mapping[str, Any]
    evidence: Mapping[str, Any]
    disagreements: tuple[str, ...] = ()
    advice: str = ""
    notes: tuple[str, ...] = field(default=())

    @property
    def verdict(self) -> Verdict:
        """The law's verdict."""
        return self.law.verdict

    def to_dict(self) -> dict[str, Any]:
        """Plain data with the schema version.

        Returns:
            A JSON-ready dictionary.
        """
        plain = self.law.to_dict()
        return {
            "schema": SCHEMA,
            "optimizer": self.law.target,
            "verdict": str(self.verdict),
            "exponents": texts(self.law.exponents),
            "states": texts(self.law.states),
            "dimensions": texts(self.law.dimensions),
            "inert": list(self.law.inert),
            "hidden_constants": plain["hidden_constants"],
            "clashes": plain["clashes"],
            "settings": {name: plain_value(value) for name, value in self.settings.items()},
            "studied_at": {name: plain_value(value) for name, value in self.studied_at.items()},
            "evidence": dict(self.evidence),
            "disagreements": list(self.disagreements),
            "advice": self.advice,
            "notes": list(self.notes),
        }

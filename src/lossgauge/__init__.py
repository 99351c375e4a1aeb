"""What does multiplying my loss by a constant do to my training, why, and what do I change?

The verbs are functions and take your object first; each has a command of the same name on the command line:

- `explain`: what a loss multiplier does to this optimizer with these numbers, and which numbers train the same.
- `rescale`: make it so on a live optimizer, its state tensors included.
- `discover`: the law of an optimizer never seen before.
- `prove`: whether two runs are really the same, by bits.
- `why`: what carried the change that a loss multiplier made, in parts that add up; `elasticity`: the same at one step.
- `compare`: how much of changing the loss function is a pure factor, how much another direction.
- `run`: what the scale of the loss does in an unmodified script; `watch`: the same from inside Python.
- `diagnose`: which findings follow from what was seen, with remedies that were tried; `report`: a picture of it.
- `sweep`: the map over loss multiplier, hyperparameters, optimizers, formats and seeds.
- `thread`: every statement of the well-known thread on this question, tested on this machine.

This door only re-exports, and only when a name is asked for: importing it loads no framework.
"""

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

__all__ = [
    "CallbackSink",
    "Dimension",
    "Law",
    "LossgaugeError",
    "TensorBoardSink",
    "Verdict",
    "__version__",
    "compare",
    "diagnose",
    "discover",
    "elasticity",
    "explain",
    "prove",
    "report",
    "rescale",
    "run",
    "sweep",
    "thread",
    "watch",
    "why",
]

if TYPE_CHECKING:
    from lossgauge.errors import LossgaugeError
    from lossgauge.frameworks.torch.sinks import TensorBoardSink
    from lossgauge.laws.law import Law
    from lossgauge.laws.verdict import Verdict
    from lossgauge.units.dimension import Dimension
    from lossgauge.verbs.compare import compare
    from lossgauge.verbs.diagnose import diagnose
    from lossgauge.verbs.discover import discover
    from lossgauge.verbs.elasticity import elasticity
    from lossgauge.verbs.explain import explain
    from lossgauge.verbs.prove import prove
    from lossgauge.verbs.report import report
    from lossgauge.verbs.rescale import rescale
    from lossgauge.verbs.run import run
    from lossgauge.verbs.sweep import sweep
    from lossgauge.verbs.thread import thread
    from lossgauge.verbs.watch import CallbackSink, watch
    from lossgauge.verbs.why import why
else:  # hidden from type checkers, so that they know the names above and no others
    _HOMES = {
        "CallbackSink": "lossgauge.verbs.watch",
        "Dimension": "lossgauge.units.dimension",
        "Law": "lossgauge.laws.law",
        "LossgaugeError": "lossgauge.errors",
        "TensorBoardSink": "lossgauge.frameworks.torch.sinks",
        "Verdict": "lossgauge.laws.verdict",
        "compare": "lossgauge.verbs.compare",
        "diagnose": "lossgauge.verbs.diagnose",
        "discover": "lossgauge.verbs.discover",
        "elasticity": "lossgauge.verbs.elasticity",
        "explain": "lossgauge.verbs.explain",
        "prove": "lossgauge.verbs.prove",
        "report": "lossgauge.verbs.report",
        "rescale": "lossgauge.verbs.rescale",
        "run": "lossgauge.verbs.run",
        "sweep": "lossgauge.verbs.sweep",
        "thread": "lossgauge.verbs.thread",
        "watch": "lossgauge.verbs.watch",
        "why": "lossgauge.verbs.why",
    }

    def __getattr__(name: str) -> object:
        """The re-exported object of this name, loaded on first use."""
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(_HOMES[name]), name)

    def __dir__() -> list[str]:
        """The names of the door beside the module's own."""
        return sorted({*globals(), *__all__})

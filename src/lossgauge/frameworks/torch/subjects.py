"""A torch optimizer as a subject of discovery: built from its class or factory, run and traced on the quadratic."""

import contextlib
import inspect
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from lossgauge.errors import InputError, LossgaugeError, ObservationError
from lossgauge.frameworks.subject import Hyperparameter, Interrupt, Problem, Settings, Trace, Trajectory
from lossgauge.frameworks.torch.conditions import compiler_unloaded, eager, own_step, same_conditions
from lossgauge.frameworks.torch.problem import DENSE, MATRICES, Quadratic, Shapes
from lossgauge.frameworks.torch.signatures import flat, nested, read_signature
from lossgauge.frameworks.torch.states import read_states, state_units
from lossgauge.frameworks.torch.tracing.mode import UnitMode
from lossgauge.frameworks.torch.tracing.quantity import Quantity, plain
from lossgauge.frameworks.torch.tracing.redirection import neighbours, unit_keeping
from lossgauge.frameworks.torch.tracing.tags import Tag
from lossgauge.frameworks.torch.tracing.tracer import Tracer
from lossgauge.units.dimension import LOSS
from lossgauge.units.monomial import GRADIENT, Monomial

CHOICES = {"line_search_fn": ("strong_wolfe",), "adjust_lr_fn": ("match_rms_adamw",), "threshold_mode": ("abs",)}
"""Settings that are texts, and their values beside the default."""

_SPARSE = ((6, 3), (7, 2))


@dataclass(frozen=True)
class Fit:
    """What an optimizer needs in order to run.

    Args:
        shapes: Shapes of the weights.
        sparse: Whether gradients are sparse.
        closure: Whether `step` is given a closure although its signature does not ask for one.
        single: Whether it works in float32 only.
        graph: Whether it differentiates the gradients once more.
    """

    shapes: Shapes = DENSE
    sparse: bool = False
    closure: bool = False
    single: bool = False
    graph: bool = False


_FITS = (
    Fit(),
    Fit(MATRICES),
    Fit(_SPARSE, sparse=True),
    Fit(closure=True),
    Fit(single=True),
    Fit(MATRICES, single=True),
    Fit(graph=True),
)


class OptimizerSubject:
    """An optimizer class or factory.

    Args:
        target: Its name, `module:Class`.
        factory: Called with the parameters and the settings; returns the optimizer.
        carriers: Hyperparameters that belong to the vehicle, not to the thing studied.

    Raises:
        InputError: When it cannot be built from its defaults, or takes no parameters.
    """

    def __init__(self, target: str, factory: Callable[..., Any], carriers: tuple[str, ...] = ()) -> None:
        self.target, self.factory, self.carriers = target, factory, carriers
        self._settings = read_signature(target, factory)
        self._fit: Fit | None = None

    def hyperparameters(self) -> dict[str, Hyperparameter]:
        """All settings by name, tuples entry by entry.

        Returns:
            Name → hyperparameter, in the order of the constructor.
        """
        return dict(self._settings)

    def choices(self) -> dict[str, tuple[str, ...]]:
        """The other values of settings that are texts.

        Returns:
            Setting → values beside its default.
        """
        return {name: values for name, values in CHOICES.items() if name in self._settings}

    def implementations(self, settings: Settings) -> dict[str, dict[str, Any]]:
        """Other code paths for the same algorithm.

        Args:
            settings: The settings they must work with.

        Returns:
            Path name → extra settings; only those this optimizer accepts.
        """
        paths: dict[str, dict[str, Any]] = {}
        for flag in ("foreach", "fused"):
            if flag not in self._settings or settings.get(flag):
                continue
            extra = {flag: True} | ({"foreach": None} if flag == "fused" and "foreach" in self._settings else {})
            try:
                self.run({**settings, **extra}, Problem(steps=1))
            except (LossgaugeError, RuntimeError):
                continue
            paths[flag] = extra
        return paths

    def run(self, settings: Settings, problem: Problem, interrupt: Interrupt | None = None) -> Trajectory:
        """Train on `problem` with these settings.

        Args:
            settings: Values by name; tuples may be given whole or entry by entry.
            problem: The synthetic training.
            interrupt: Called after every step; ends the run by returning True.

        Returns:
            The weights after every step and the states after the last.

        Raises:
            InputError: When the constructor refuses the settings.
            ObservationError: When the optimizer fails while stepping.
        """
        quadratic = self._quadratic(problem, settings)
        weights = [quadratic.copy_weights()]
        with same_conditions(problem):
            optimizer = self._build(quadratic, settings)
            for step in range(problem.steps):
                self._step(optimizer, quadratic, step)
                weights.append(quadratic.copy_weights())
                if interrupt and interrupt(step, weights[-1]):
                    break
        finite = all(np.isfinite(w).all() for w in weights[-1].values())
        return Trajectory(weights, read_states(optimizer, quadratic.names), finite, quadratic.evaluations)

    def trace(self, settings: Settings, problem: Problem) -> Trace:
        """Train with unit-carrying numbers and collect the equations the code imposes.

        Args:
            settings: Values by name.
            problem: The synthetic training.

        Returns:
            The equations, what could not be followed, and the unit of each state.
        """
        try:
            return self._trace(settings, problem, (int, float))
        except LossgaugeError:  # a whole number may be a count or a seed, which cannot be a float
            return self._trace(settings, problem, (float,))

    def _trace(self, settings: Settings, problem: Problem, types: tuple[type, ...]) -> Trace:
        tracer = Tracer()
        quadratic = self._quadratic(problem, settings)
        carrying = {n: self._with_unit(n, v, types, tracer) for n, v in flat(settings).items()}
        optimizer = None
        modules = neighbours(getattr(self.factory, "__module__", ""))
        with same_conditions(problem), unit_keeping(tracer, modules), eager(), UnitMode(tracer):
            for weight in quadratic.weights:
                tracer.add_weight(weight)
            optimizer = self._build(quadratic, carrying)
            for step in range(problem.steps):
                tracer.step = step
                self._step(optimizer, quadratic, step, tracer)
        return Trace(tuple(tracer.equations), tuple(tracer.unknown), state_units(tracer, optimizer))

    def _with_unit(self, name: str, value: Any, types: tuple[type, ...], tracer: Tracer) -> Any:
        """A zero stays a plain number: it switches a term off and fits every unit."""
        if (
            self._settings[name].kind != "number"
            or isinstance(value, bool)
            or not isinstance(value, types)
            or value == 0
        ):
            return value
        return Quantity(float(value), Tag(Monomial.of(name)), tracer)

    def _quadratic(self, problem: Problem, settings: Settings) -> Quadratic:
        if self._fit is None:
            self._fit = self._find_fit(settings)
        return self._posed(problem, self._fit)

    def _posed(self, problem: Problem, fit: Fit) -> Quadratic:
        posed = replace(problem, precision="float32") if fit.single else problem
        return Quadratic(posed, fit.shapes, fit.sparse, fit.graph)

    def _find_fit(self, settings: Settings) -> Fit:
        """Dense float64 gradients and mixed shapes where they are accepted, else the first fit that runs."""
        failures: list[LossgaugeError] = []
        for fit in _FITS:
            quadratic = self._posed(Problem(steps=1), fit)
            try:
                with same_conditions(quadratic.problem):
                    self._step(self._build(quadratic, settings), quadratic, 0, closure=fit.closure)
            except LossgaugeError as error:
                failures.append(error)
                continue
            return fit
        raise failures[0]

    def _build(self, quadratic: Quadratic, settings: Settings) -> Any:
        arguments = nested(settings)
        try:
            with warnings.catch_warnings(), compiler_unloaded():
                warnings.simplefilter("ignore")
                optimizer = self.factory(list(quadratic.weights), **arguments)
        except LossgaugeError:
            raise
        except Exception as error:
            raise InputError(f"{self.target} refuses {self._spell(settings)}: {_first_line(error)}") from error
        if not callable(getattr(optimizer, "step", None)):
            raise InputError(
                f"{self.target} returned {type(optimizer).__name__}, expected an optimizer with a step method"
            )
        if callable(getattr(optimizer, "train", None)):
            optimizer.train()
        return optimizer

    def _spell(self, settings: Settings) -> str:
        """What differs from the defaults."""
        own = {n: v for n, v in flat(settings).items() if n not in self._settings or v != self._settings[n].default}
        return ", ".join(f"{name}={plain(value)}" for name, value in own.items()) or "its defaults"

    def _step(
        self, optimizer: Any, quadratic: Quadratic, step: int, tracer: Tracer | None = None, closure: bool = False
    ) -> None:
        wanted = closure or (self._fit is not None and self._fit.closure) or _needs_closure(optimizer)
        evaluate = _watched(quadratic, step, tracer)
        try:
            with warnings.catch_warnings(), torch.no_grad() if tracer else contextlib.nullcontext():
                warnings.simplefilter("ignore")
                make_step = own_step(optimizer)
                if wanted:
                    make_step(evaluate)
                else:
                    evaluate()
                    make_step()
        except LossgaugeError:
            raise
        except Exception as error:
            raise ObservationError(f"{self.target} failed in step {step}: {_first_line(error)}") from error


def _needs_closure(optimizer: Any) -> bool:
    wrapped = inspect.unwrap(type(optimizer).step)
    parameters = list(inspect.signature(wrapped).parameters.values())
    return len(parameters) > 1 and parameters[1].default is inspect.Parameter.empty and parameters[1].kind not in (
        inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)  # fmt: skip


def _watched(quadratic: Quadratic, step: int, tracer: Tracer | None) -> Callable[[], torch.Tensor]:
    evaluate = quadratic.closure(step)
    if tracer is None:
        return evaluate

    def with_units() -> torch.Tensor:
        with torch._C.DisableTorchFunction():
            loss = evaluate()
        tracer.set_tag(loss, Tag(Monomial(LOSS)))
        for weight in quadratic.weights:
            with torch._C.DisableTorchFunction():
                gradient = weight.grad
            if gradient is not None:
                tracer.set_tag(gradient, Tag(Monomial(GRADIENT)))
        return loss

    return with_units


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__

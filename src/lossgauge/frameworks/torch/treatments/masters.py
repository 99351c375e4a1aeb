"""Treatment of weights that are too coarse for their updates: the optimizer works on finer copies of them."""

from typing import Any

import torch

from lossgauge.frameworks.torch.injection.passages import Proceed, Stepping
from lossgauge.frameworks.torch.treatments.change import Change
from lossgauge.records.treatment import Treatment


class MasterWeights(Change):
    """`master-weights`: while a step is made, the groups hold copies of the weights in a finer format.

    The copies last from step to step; after each one they are rounded into the user's tensors. Between steps the
    optimizer's state belongs to the user's tensors, so that it can be saved.
    """

    inner = frozenset({"step"})

    def __init__(self, treatment: Treatment) -> None:
        """Prepare.

        Args:
            treatment: The change; its choice is the format.
        """
        super().__init__(treatment)
        self.format: torch.dtype = getattr(torch, treatment.choice)
        self._masters: dict[
            int, tuple[torch.Tensor, torch.nn.Parameter]
        ] = {}  # with the tensor, so that it stays alive
        self._owns: dict[int, torch.Tensor] = {}

    def step(self, stepping: Stepping, proceed: Proceed) -> Any:
        """Exchange the tensors for the step, and back for every evaluation of its closure; see `Change`."""
        optimizer = stepping.optimizer
        if not self.concerns(stepping.index):
            return proceed()

        def evaluate(proceed: Proceed) -> Any:
            self._take_out(optimizer)
            try:
                return proceed()
            finally:
                self._put_in(optimizer)

        stepping.closures_through(evaluate)
        self._put_in(optimizer)
        try:
            return proceed()
        finally:
            self._take_out(optimizer)

    @torch.no_grad()
    def _put_in(self, optimizer: torch.optim.Optimizer) -> None:
        for group in optimizer.param_groups:
            tensors = group["params"]  # changed in place: L-BFGS keeps this very list
            for place, tensor in enumerate(tensors):
                if tensor.is_floating_point() and tensor.dtype.itemsize < self.format.itemsize:
                    tensors[place] = master = self._master(tensor)
                    master.grad = None if tensor.grad is None else tensor.grad.to(self.format)
                    if tensor in optimizer.state:
                        optimizer.state[master] = self._finer(optimizer.state.pop(tensor), tensor.dtype)

    @torch.no_grad()
    def _take_out(self, optimizer: torch.optim.Optimizer) -> None:
        for group in optimizer.param_groups:
            tensors = group["params"]
            for place, master in enumerate(tensors):
                tensor = self._owns.get(id(master))
                if tensor is not None:
                    tensors[place] = tensor.copy_(master)
                    master.grad = None
                    if master in optimizer.state:
                        optimizer.state[tensor] = optimizer.state.pop(master)

    def _master(self, tensor: torch.Tensor) -> torch.nn.Parameter:
        """The finer copy; where the user has changed the tensor since the last step, the copy follows."""
        if id(tensor) not in self._masters:
            master = torch.nn.Parameter(tensor.detach().to(self.format))
            self._masters[id(tensor)] = (tensor, master)
            self._owns[id(master)] = tensor
            return master
        master = self._masters[id(tensor)][1]
        kept = master.to(tensor.dtype) == tensor
        master.copy_(torch.where(kept, master, tensor.to(self.format)))
        return master

    def _finer(self, state: Any, coarse: torch.dtype) -> Any:
        """State that was made, or loaded, in the format of the weights; counters keep their own."""
        for name, value in state.items() if isinstance(state, dict) else ():
            if isinstance(value, torch.Tensor) and value.dim() and value.dtype == coarse:
                state[name] = value.to(self.format)
        return state

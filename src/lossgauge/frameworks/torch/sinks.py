"""Sinks of torch's own: where numbers of a watched training go while it runs."""

from pathlib import Path
from typing import Any

from lossgauge.errors import InputError


class TensorBoardSink:
    """Writes the numbers of every sampled step as scalars for TensorBoard."""

    def __init__(self, log_dir: str | Path, prefix: str = "lossgauge/") -> None:
        """Open the folder.

        Args:
            log_dir: The folder; TensorBoard is started with `--logdir` and its name.
            prefix: Put before every name.

        Raises:
            InputError: When TensorBoard is not installed, or the folder cannot be written.
        """
        try:
            from torch.utils.tensorboard.writer import SummaryWriter
        except ImportError as error:
            raise InputError(f"TensorBoardSink needs tensorboard ({error}); pip install tensorboard") from error
        self.prefix = prefix
        try:
            self._writer: Any = SummaryWriter(str(log_dir))
        except OSError as error:
            raise InputError(
                f"{str(log_dir)!r} cannot be written: {error.strerror}; choose a folder you may write to"
            ) from error

    def __call__(self, step: int, numbers: dict[str, float]) -> None:
        """Write the numbers of one step.

        Args:
            step: The optimizer step, from 1.
            numbers: By name.
        """
        for name, value in numbers.items():
            self._writer.add_scalar(self.prefix + name, value, step)
        self._writer.flush()

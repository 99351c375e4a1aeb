"""TensorBoard's own writer, and its own reader."""

from pathlib import Path

import pytest
import torch

from lossgauge.errors import InputError
from lossgauge.frameworks.torch.sinks import TensorBoardSink
from lossgauge.verbs.watch import Watching, watch

accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")


def watched(folder: Path, prefix: str = "lossgauge/") -> Watching:
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(4, 6), torch.nn.Tanh(), torch.nn.Linear(6, 1))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    with watch(model, optimizer, sinks=[TensorBoardSink(folder, prefix)]) as gauge:
        for _ in range(12):
            optimizer.zero_grad()
            model(torch.randn(16, 4)).square().mean().backward()
            optimizer.step()
    return gauge


def read(folder: Path) -> dict[str, list[tuple[int, float]]]:
    events = accumulator.EventAccumulator(str(folder)).Reload()
    return {tag: [(one.step, one.value) for one in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def written(gauge: Watching, prefix: str = "lossgauge/") -> dict[str, list[tuple[int, float]]]:
    """What a file must hold, from the session; TensorBoard keeps float32."""
    names = {number: tensor.name for number, tensor in enumerate(gauge.session.tensors)}
    found: dict[str, list[tuple[int, float]]] = {}
    for sample in gauge.session.samples:
        for tensor in sample.tensors:
            for what in ("relative_update", "gradient_norm", "elasticity"):
                value = getattr(tensor, what)
                if value is not None:
                    name = f"{prefix}{what}/{names[tensor.tensor]}"
                    found.setdefault(name, []).append((sample.number, float(torch.tensor(value))))
    return found


@pytest.mark.parametrize("prefix", ["lossgauge/", "run 1/"])
def test_what_tensorboard_reads_is_what_the_session_holds(tmp_path: Path, prefix: str):
    gauge = watched(tmp_path / "deep" / "runs", prefix)
    found = read(tmp_path / "deep" / "runs")
    assert found == written(gauge, prefix)
    assert len(found) == 12
    assert [step for step, _ in found[f"{prefix}gradient_norm/0.weight"]][:8] == [1, 2, 3, 4, 5, 6, 7, 8]


def test_a_number_that_is_off_would_be_noticed(tmp_path: Path):
    gauge = watched(tmp_path)
    expected = written(gauge)
    TensorBoardSink(tmp_path)(99, {"gradient_norm/0.weight": 1.0})
    assert read(tmp_path) != expected


def test_a_folder_that_cannot_be_written_is_refused():
    with pytest.raises(InputError, match=r"'/proc/self/runs' cannot be written: .*; choose a folder you may write to"):
        TensorBoardSink("/proc/self/runs")

import gc
import sys
from pathlib import Path

import pytest

from lossgauge.errors import InputError, ScriptError
from lossgauge.records.injection import Injection
from lossgauge.records.run import Run
from lossgauge.trainings import nursery
from lossgauge.trainings.failure import traceback_of
from lossgauge.trainings.nursery import Nursery
from lossgauge.trainings.recorder import Watch
from lossgauge.trainings.script import Script
from tests.trainings.scripts import write_script


@pytest.fixture(scope="module")
def shared() -> Nursery:
    """One nursery for all: loading the framework takes most of the time of these tests."""
    return nursery.Nursery()


def test_a_script_runs_as_it_would_alone_and_is_recorded(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    script = Script(str(write_script(tmp_path)), ("--steps", "2"))
    run = script.run(Injection(), law_of="handmade_laws:law_of")
    assert capfd.readouterr().out == "trained __main__ ['--steps', '2']\n"
    assert (len(run.steps), run.backwards) == (2, 2)
    (participant,) = run.participants
    assert participant.target == "__main__:Tweaked"
    assert participant.names == ("weight", "bias")
    assert participant.law is not None
    assert participant.law.exponents["eps"] == 1
    assert participant.settings[0]["eps"] == 1e-3
    again = script.run(Injection(), Watch(run), output="stderr")
    assert again.divergence is None
    captured = capfd.readouterr()
    assert captured.out == ""
    assert "trained" in captured.err
    assert Run.from_dict(run.to_dict()) == run


def test_a_script_stops_at_the_first_difference(tmp_path: Path, shared: Nursery, capfd: pytest.CaptureFixture[str]):
    path = str(write_script(tmp_path))
    run = Script(path, (), shared).run(Injection(), output="nowhere")
    other = Script(path, ("--steps", "3"), shared).run(Injection(), Watch(run), output="nowhere")
    assert other.divergence is not None
    assert (other.divergence.step, other.divergence.optimizer) == (4, -1)
    longer = Script(path, ("--steps", "5"), shared).run(Injection(), Watch(run), output="nowhere")
    assert longer.divergence is not None
    assert (longer.divergence.step, len(longer.steps)) == (5, 5)
    assert capfd.readouterr() == ("", "")


def test_a_failing_script_shows_its_own_traceback_and_nothing_of_ours(tmp_path: Path, shared: Nursery):
    path = str(write_script(tmp_path))
    with pytest.raises(ScriptError, match=r"train.py failed: ValueError: the script's own mistake") as caught:
        Script(path, ("--fail",), shared).run(Injection(), output="nowhere")
    assert caught.value.exit_code == 3
    text = traceback_of(caught.value)
    assert text.startswith(f'Traceback (most recent call last):\n  File "{path}", line 34, in <module>\n')
    assert text.endswith("ValueError: the script's own mistake\n")
    assert "lossgauge" not in text


@pytest.mark.parametrize(("args", "message"), [(("--leave", "4"), "exit code 4"), (("--unknown",), "exit code 2")])
def test_a_script_that_leaves_with_a_code_has_failed(
    tmp_path: Path, shared: Nursery, args: tuple[str, ...], message: str
):
    with pytest.raises(ScriptError, match=message):
        Script(str(write_script(tmp_path)), args, shared).run(Injection(), output="nowhere")


def test_a_script_that_leaves_without_a_code_has_not(tmp_path: Path, shared: Nursery):
    assert (
        len(Script(str(write_script(tmp_path)), ("--leave", "0"), shared).run(Injection(), output="nowhere").steps) == 4
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import os\nos._exit(7)\n", "exit code 7 before"),
        ("def broken(:\n", "SyntaxError"),
        ("1/0", "ZeroDivisionError"),
    ],
)
def test_a_script_that_never_trains_has_failed(tmp_path: Path, shared: Nursery, text: str, message: str):
    script = tmp_path / "train.py"
    script.write_text(text)
    with pytest.raises(ScriptError, match=message):
        Script(str(script), (), shared).run(Injection(), output="nowhere")


def test_no_file_beside_the_script_is_taken_for_a_library_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for name in ("json", "torch", "lossgauge", "numpy"):
        (tmp_path / f"{name}.py").write_text("raise RuntimeError('a file of the user')\n")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.py").write_text(f"import sys\nassert sys.path[0].endswith({tmp_path.name!r})\n")
    assert not Script("train.py").run(Injection(), output="nowhere").steps


def test_a_law_of_that_cannot_be_named_is_refused(tmp_path: Path):
    with pytest.raises(InputError, match="expected a function at the top level of a module"):
        Script(str(write_script(tmp_path))).run(Injection(), law_of=lambda optimizer: None)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("source", ["random.random()", "numpy.random.rand()", "float(os.urandom(1)[0])"])
def test_every_run_draws_its_own_random_numbers(tmp_path: Path, shared: Nursery, source: str):
    (tmp_path / "train.py").write_text(
        f"import os, random, numpy, torch\nw = torch.tensor([{source}], requires_grad=True)\n"
        "w.sum().backward()\ntorch.optim.SGD([w], lr=0.1).step()\n"
    )
    script = Script(str(tmp_path / "train.py"), (), shared)
    assert script.run(Injection(), Watch(script.run(Injection()))).divergence is not None


def test_without_forks_every_run_has_an_interpreter_of_its_own(
    tmp_path: Path, shared: Nursery, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(nursery, "FORKS", False)
    script = Script(str(write_script(tmp_path)), (), shared)
    run = script.run(Injection(), output="nowhere")
    monkeypatch.setattr(nursery, "FORKS", True)
    assert script.run(Injection(), Watch(run), output="nowhere").divergence is None


def test_a_nursery_ends_with_its_script(tmp_path: Path):
    (tmp_path / "train.py").write_text("pass\n")
    script = Script(str(tmp_path / "train.py"))
    script.run(Injection(), output="nowhere")
    process = script._nursery.process
    assert process is not None
    assert process.poll() is None
    del script
    gc.collect()
    assert process.poll() == 0


def test_the_interpreter_is_the_same(tmp_path: Path, shared: Nursery):
    (tmp_path / "train.py").write_text(f"import sys\nassert sys.executable == {sys.executable!r}\n")
    assert not Script(str(tmp_path / "train.py"), (), shared).run(Injection(), output="nowhere").steps

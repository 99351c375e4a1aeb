"""Programs as they are published, run plainly and under the gauge: the same bits, and a report.

None of them knows of lossgauge. Each prints a digest of its final weights as its last line.
"""

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from lossgauge.records.journal import read_session
from lossgauge.records.session import Session
from tests.trainings.running import ENVIRONMENT, Printed, begin, ended

HERE = Path(__file__).parent
COMMAND = "import sys; sys.path.pop(0); from lossgauge.cli.main import main; main()"
TREATED = """
import sys
from lossgauge.records.injection import Injection
from lossgauge.records.treatment import Treatment
from lossgauge.trainings.gauging import gauge_training
from lossgauge.trainings.script import Script
journal, index, factor, name, *args = sys.argv[1:]
injection = Injection(treatments=(Treatment("setting", "lr", int(index), float(factor)),))
sys.exit(gauge_training(Script(name, tuple(args)), journal, injection=injection).exit_code)
"""
CLOCKED = re.compile(r"'\w+_(runtime|per_second)': '[^']*'")
"""What the Trainer prints of its own speed."""
DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Program:
    """A script, and what a session of it must hold.

    Args:
        script: Its name.
        args: Its arguments.
        needs: Packages it imports.
        steps: The steps of each of its optimizers.
        backwards: How many backwards it makes in all.
        kind: A kind of loss term that must have been read.
        weight: The name of a weight.
        optimizer: The class of its optimizers.
    """

    script: str
    steps: tuple[int, ...]
    backwards: int
    kind: str
    weight: str
    args: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    optimizer: str = "torch.optim:Adam"


PROGRAMS = [
    Program(
        "finetune_bert.py",
        (120,),
        240,
        "classification",
        "bert.encoder.layer.1.output.dense.weight",
        ("--output_dir", "out"),
        ("transformers", "accelerate"),
        "torch.optim:AdamW",
    ),
    Program("fit_autoencoder.py", (128,), 128, "regression", "encoder.0.weight", needs=("lightning",)),
    Program("train_gpt.py", (200,), 400, "classification", "blocks.1.attention.qkv.weight",
            optimizer="torch.optim:AdamW"),
    Program("train_gan.py", (200, 200), 600, "classification", "0.weight"),
    Program("train_cartpole.py", (60,), 60, "policy", "body.0.weight"),
]  # fmt: skip


def place(folder: Path, program: Program) -> Path:
    """A folder of its own with the script in it."""
    folder.mkdir()
    shutil.copy(HERE / program.script, folder)
    return folder


def run_both(folder: Path, program: Program) -> tuple[Printed, Printed, Session]:
    """At the same time; neither knows of the other."""
    command = ["-c", COMMAND, "run", "--session", "../session.jsonl", program.script, *program.args]
    alone = begin(place(folder / "plain", program), [program.script, *program.args], "")
    under = ended(begin(place(folder / "gauged", program), command, ""))
    return ended(alone), under, read_session(folder / "session.jsonl")


def digest_in(text: str) -> str:
    (found,) = DIGEST.findall(text)
    return found


def assert_undisturbed(alone: Printed, under: Printed) -> None:
    """The same weights, the same words; the report comes after them."""
    plain, gauged = CLOCKED.sub("", alone.out), CLOCKED.sub("", under.out)
    assert digest_in(gauged) == digest_in(plain)
    assert gauged.startswith(plain)
    assert plain.splitlines()[-1] == digest_in(plain)
    assert under.err.splitlines()[-1:] == alone.err.splitlines()[-1:]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.script)
def test_the_gauge_attaches_changes_nothing_and_reports(
    tmp_path: Path, program: Program, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(ENVIRONMENT, "COLUMNS", "80")
    for package in program.needs:
        pytest.importorskip(package)
    alone, under, session = run_both(tmp_path, program)
    assert alone.code == 0, alone.err
    assert_undisturbed(alone, under)
    assert under.code == 0, under.out  # healthy: no fault is found
    report = CLOCKED.sub("", under.out)[len(CLOCKED.sub("", alone.out)) :]
    assert report.startswith(f"{program.script}  {sum(program.steps)} steps")
    assert max(map(len, report.splitlines())) <= 80
    assert "you are here" in report

    assert session.ending is not None
    assert (session.ending.reason, session.ending.backwards) == ("finished", program.backwards)
    assert not [event.text for event in session.events if event.kind == "limit"]
    numbers = range(len(program.steps))
    assert [sum(step.optimizer == number for step in session.steps) for number in numbers] == [*program.steps]
    assert [optimizer.target for optimizer in session.optimizers] == [program.optimizer] * len(program.steps)
    for number, optimizer in enumerate(session.optimizers):
        assert optimizer.law is not None
        samples = [sample for sample in session.samples if sample.optimizer == number]
        assert any(tensor.elasticity is not None for sample in samples for tensor in sample.tensors)
    assert program.weight in [tensor.name for tensor in session.tensors]
    assert program.kind in {term.kind for reading in session.readings for term in reading.terms}
    assert all(step.loss is not None for step in session.steps)


def test_a_gauge_that_moved_a_weight_by_a_hair_would_be_noticed(tmp_path: Path):
    """Planted: the generator's learning rate is larger by one part in a million."""
    program = PROGRAMS[3]
    command = ["-c", TREATED, "../session.jsonl", "1", repr(1 + 2.0**-20), program.script]
    alone = begin(place(tmp_path / "plain", program), [program.script], "")
    under = ended(begin(place(tmp_path / "treated", program), command, ""))
    assert under.code == 0
    with pytest.raises(AssertionError, match=r"^assert '[0-9a-f]"):
        assert_undisturbed(ended(alone), under)


def test_the_programs_know_nothing_of_us():
    for program in PROGRAMS:
        assert "lossgauge" not in (HERE / program.script).read_text()

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lossgauge.errors import InputError
from lossgauge.records.journal import read_session
from lossgauge.records.session import Session
from lossgauge.verbs import run as verb
from lossgauge.verbs.run import run

SCRIPT = """
import sys, torch
torch.manual_seed(0)
model = torch.nn.Linear(4, 1)
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2, eps=1e-4)
for step in range(150):
    optimizer.zero_grad()
    x = torch.randn(256, 4)
    (1e-5 * (model(x) - x.sum(1, keepdim=True)).pow(2).mean()).backward()
    optimizer.step()
open("runs.txt", "a").write("x")
"""


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    (tmp_path / "train.py").write_text(SCRIPT)


def test_remedies_are_tried_only_when_asked_for(tmp_path: Path):
    told: list[str] = []
    result = run(tmp_path / "train.py", session="kept.jsonl", notify=told.append)
    assert (result.code, result.ending, told) == (0, "", [])
    assert result.path == tmp_path / "kept.jsonl"
    assert read_session("kept.jsonl") == result.session
    assert not result.session.trials
    assert result.diagnosis.findings[0].name == "eps-dominates"
    assert result.diagnosis.findings[0].severity == "warning"  # the loss was coming down, and nothing was tried
    assert result.diagnosis.findings[0].remedy.verified is None
    assert Path("runs.txt").read_text() == "x"
    confirmed = run("train.py", session="kept.jsonl", confirm=True, trials=1, notify=told.append)
    assert confirmed.diagnosis.findings[0].remedy.verified is True
    assert (confirmed.diagnosis.findings[0].severity, confirmed.code) == ("fault", 1)
    assert len(confirmed.session.trials) == 1
    assert read_session("kept.jsonl").trials == confirmed.session.trials
    assert told[0].startswith("trying set eps")
    assert all(text.startswith(told[0]) for text in told)
    assert told[-1].endswith(" of 150")


def test_a_script_that_is_gone_leaves_its_session_behind(capfd: pytest.CaptureFixture[str]):
    Path("train.py").write_text("import os\nprint('so far', flush=True)\nos._exit(9)\n")
    result = run("train.py", output="stderr")
    assert result.code == 3
    assert result.ending.startswith("the process left at once (os._exit) with exit code 9")
    assert result.path is not None
    assert read_session(result.path).ending == result.session.ending
    assert result.diagnosis.steps == 0
    assert capfd.readouterr() == ("", "so far\n")
    result.path.unlink()
    result.path.parent.rmdir()


def test_a_session_that_could_not_be_diagnosed_is_kept(monkeypatch: pytest.MonkeyPatch):
    def diagnose(session: Session) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr(verb, "diagnose_session", diagnose)
    Path("train.py").write_text("")
    with pytest.raises(ZeroDivisionError) as caught:
        run("train.py")
    (note,) = caught.value.__notes__
    place = Path(note.removeprefix("what was recorded is in "))
    assert read_session(place).script == "train.py"
    place.unlink()
    place.parent.rmdir()


def test_interrupted_trials_leave_the_rest(monkeypatch: pytest.MonkeyPatch):
    def interrupted(*args: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(verb, "confirm_remedies", interrupted)
    result = run("train.py", confirm=True)
    assert result.code == 130
    assert len(result.session.steps) == 150
    assert result.path is None


def test_only_a_session_is_overwritten():
    Path("mine.txt").write_text("a diary\n")
    with pytest.raises(InputError, match=r"'mine.txt' exists and is no session"):
        run("train.py", session="mine.txt")
    assert Path("mine.txt").read_text() == "a diary\n"
    assert not Path("runs.txt").exists()


def test_no_place_for_a_session(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("tempfile.tempdir", "/proc/nowhere")
    with pytest.raises(InputError, match="set TMPDIR to a folder you may write to"):
        run("train.py")


@pytest.mark.parametrize(
    ("script", "options", "message"),
    [
        (3, {}, "the script is int 3"),
        ("nowhere.py", {}, "there is no script"),
        ("json", {"module": True, "steps": 0}, "steps is 0"),
        ("not-a-name", {"module": True}, "no name of a module"),
        ("json.nothing", {"module": True}, "there is no module 'json.nothing'"),
    ],
)
def test_what_is_no_script_is_refused(script: Any, options: dict[str, Any], message: str):
    with pytest.raises(InputError, match=message):
        run(script, **options)


def test_a_full_disk_ends_the_observing_and_not_the_training(capfd: pytest.CaptureFixture[str]):
    limit = "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))\n"
    Path("train.py").write_text(limit + SCRIPT + "print(model.weight.sum().item())\n")
    plain = subprocess.run([sys.executable, "train.py"], capture_output=True, text=True, check=True).stdout
    result = run("train.py", session="kept.jsonl")
    said = capfd.readouterr()
    assert said.out == plain
    place = str(Path("kept.jsonl").absolute())
    assert said.err.splitlines() == [
        f"lossgauge: the session cannot be written to {place!r} any more (File too large); "
        "observing ends here, and the training goes on"
    ]
    assert (result.code, result.ending) == (0, "")
    assert 0 < len(read_session("kept.jsonl").samples) < 40
    assert any("could not be written any further (File too large)" in note for note in result.diagnosis.notes)


NOTICING = """
import sys, torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

calls = {"operations": 0, "functions": 0, "steps": 0, "backwards": 0}

class Operations(TorchDispatchMode):
    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        calls["operations"] += 1
        return operation(*args, **(kwargs or {}))

class Functions(TorchFunctionMode):
    def __torch_function__(self, function, types, args=(), kwargs=None):
        calls["functions"] += 1
        return function(*args, **(kwargs or {}))

class Own(torch.optim.Optimizer):
    def __init__(self, parameters, lr=1e-2):
        super().__init__(parameters, {"lr": lr})
    @torch.no_grad()
    def step(self):
        calls["steps"] += 1
        print("step", calls["steps"])
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter -= group["lr"] * parameter.grad.sign()

class Passing(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()
    @staticmethod
    def backward(ctx, gradient):
        calls["backwards"] += 1
        return gradient * (1 + 0.01 * calls["backwards"])

torch.manual_seed(0)
model = torch.nn.Linear(4, 1)
optimizer = Own(model.parameters())
with Operations(), Functions():
    for step in range(30):
        optimizer.zero_grad()
        Passing.apply(model(torch.randn(8, 4)) - 1).pow(2).mean().backward()
        optimizer.step()
print(calls, model.weight.tolist(), torch.rand(1).item())
"""
COMPILED = """
import sys, torch
torch.manual_seed(0)
model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=1e-2)
x = torch.randn(8, 4)

@torch.compile(backend="eager")
def train():
    loss = model(x).pow(2).mean()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad()
    return loss

for step in range(12):
    loss = train()
print(loss.item(), model[0].weight.sum().item(), torch.rand(1).item())
# What was compiled, and into how many graphs: nothing of the gauge's own.
from torch._dynamo.utils import counters
print(dict(counters["stats"]))
"""


@pytest.mark.parametrize("script", [NOTICING, COMPILED], ids=["noticing", "compiled"])
def test_whoever_counts_finds_the_same_count_and_the_same_output(script: str, capfd: pytest.CaptureFixture[str]):
    Path("train.py").write_text(script)
    plain = subprocess.run([sys.executable, "train.py"], capture_output=True, text=True, check=True)
    result = run("train.py", session="kept.jsonl")
    assert result.ending == ""
    assert capfd.readouterr().out == plain.stdout


def test_what_was_not_run_again_says_why():
    Path("train.py").write_text(NOTICING)
    result = run("train.py", output="nowhere")
    (optimizer,) = result.session.optimizers
    assert "calls, a dict" in optimizer.untried
    assert optimizer.law is None
    assert "lossgauge discover MODULE:Own" in optimizer.obstacle
    assert result.diagnosis.gauges["elasticity_missing"] == optimizer.untried


def test_a_step_that_is_compiled_as_a_whole_is_not_seen_and_the_answer_says_so():
    Path("train.py").write_text(COMPILED)
    result = run("train.py", output="nowhere")
    assert result.session.made == 0
    assert any("call optimizer.step() outside of the compiled function" in note for note in result.diagnosis.notes)
    Path("train.py").write_text(
        COMPILED.replace('@torch.compile(backend="eager")', "")
        .replace("model(x)", "fast(x)")
        .replace("x = torch", 'fast = torch.compile(model, backend="eager")\nx = torch', 1)
    )
    result = run("train.py", output="nowhere")
    assert result.session.made == 12
    assert not any("compile" in note for note in result.diagnosis.notes)

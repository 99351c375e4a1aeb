import sys
from pathlib import Path

import pytest
import torch

from lossgauge.errors import InputError
from lossgauge.frameworks.torch.catalogue import (
    canonical_target,
    find,
    kind_of,
    known_targets,
    load,
    schedule_on,
    subject_of,
    torch_optimizers,
)

CODE = """
import torch
class Mine(torch.optim.SGD):
    pass
def build(params, lr=0.1):
    return torch.optim.SGD(params, lr=lr)
def clip_grad_mine(parameters, bound):
    torch.nn.utils.clip_grad_value_(parameters, bound)
number = 3
class Outer:
    Inner = Mine
"""


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "mine_for_catalogue.py").write_text(CODE)
    (tmp_path / "broken_for_catalogue.py").write_text("import torch\nraise RuntimeError('no licence')\n")
    (tmp_path / "wrong_for_catalogue.py").write_text("def build(params:\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "modules", dict(sys.modules))
    return tmp_path


@pytest.mark.parametrize(
    "name", ["adam", "Adam", " ADAM ", "torch.optim:Adam", "torch.optim.Adam", "torch.optim.adam:Adam"]
)
def test_torchs_optimizers_are_found_in_every_spelling(name: str):
    subject = find(name.strip() if ":" in name else name)
    assert subject.target == "torch.optim:Adam"
    assert subject.factory is torch.optim.Adam
    assert subject.carriers == ()


def test_clip_functions_and_schedules_are_found():
    for name in ("clip_grad_norm", "clip_grad_norm_", "torch.nn.utils:clip_grad_norm_"):
        assert (find(name).target, find(name).carriers) == ("torch.nn.utils:clip_grad_norm_", ("lr",))
    plateau = find("reducelronplateau")
    assert plateau.target == "torch.optim.lr_scheduler:ReduceLROnPlateau"
    assert plateau.choices() == {"threshold_mode": ("abs",)}
    on_adam = schedule_on(plateau.target, "Adam")
    assert on_adam.target == plateau.target


def test_all_of_torch_is_known():
    assert set(torch_optimizers()) >= {"SGD", "Adam", "LBFGS", "Muon"}
    assert {kind_of(target) for target in known_targets()} == {"optimizer", "clip", "schedule"}
    assert all(canonical_target(kind) == f"torch.optim:{name}" for name, kind in torch_optimizers().items())


@pytest.mark.parametrize("target", ["mine_for_catalogue:Mine", "mine_for_catalogue.py:Mine", "mine_for_catalogue.Mine"])
def test_a_class_of_ones_own_is_found_by_module_or_file(mine: Path, target: str):
    subject = find(target)
    assert subject.target.rpartition(":")[2] == "Mine"
    assert "momentum" in subject.hyperparameters()


def test_factories_clip_functions_and_inner_names(mine: Path):
    assert find("mine_for_catalogue.py:build").hyperparameters()["lr"].default == 0.1
    clip = find("mine_for_catalogue:clip_grad_mine")
    assert (clip.carriers, list(clip.hyperparameters())) == (("lr",), ["lr", "bound"])
    assert load("mine_for_catalogue:Outer.Inner").__name__ == "Mine"
    assert subject_of(load("mine_for_catalogue:Mine")).target == "mine_for_catalogue:Mine"


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (
            "adaam",
            "no optimizer is called 'adaam'; did you mean 'Adam'?; expected a name such as adam, or module:Class",
        ),
        ("zzzz", "no optimizer is called 'zzzz'; expected a name such as adam, or module:Class"),
        ("torch.optim:Adamm", "torch.optim has no 'Adamm'; did you mean 'Adam'?"),
        ("torch.optim.Adamm", "torch.optim has no 'Adamm'; did you mean 'Adam'?"),
        ("mine_for_catalogue:Outer.Iner", "mine_for_catalogue has no 'Outer.Iner'; did you mean 'Inner'?"),
        ("mine_for_catalogue:number", "mine_for_catalogue:number is int, expected an optimizer class or a factory "),
        ("nowhere_at_all:Mine", "nowhere_at_all cannot be imported: ModuleNotFoundError: No module named "),
        ("broken_for_catalogue:Mine", "broken_for_catalogue cannot be imported: RuntimeError: no licence"),
        ("broken_for_catalogue.py:Mine", "broken_for_catalogue.py cannot be imported: RuntimeError: no licence"),
        ("wrong_for_catalogue.py:Mine", "wrong_for_catalogue.py cannot be imported: SyntaxError: "),
        ("missing.py:Mine", "missing.py cannot be imported: FileNotFoundError: no file missing.py"),
        (":Mine", "':Mine' is not a target; expected module:name, such as torch.optim:Adam"),
        ("torch.optim:", "'torch.optim:' is not a target; expected module:name, such as torch.optim:Adam"),
    ],
)
def test_what_cannot_be_found_is_refused_in_one_line(mine: Path, target: str, message: str):
    with pytest.raises(InputError) as caught:
        find(target)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_a_failed_file_is_not_left_among_the_modules(mine: Path):
    with pytest.raises(InputError):
        find("broken_for_catalogue.py:Mine")
    assert "broken_for_catalogue" not in sys.modules

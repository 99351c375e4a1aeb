"""The facts measured before this project began, reproduced on every optimizer of the installed torch."""

from typing import Any

import pytest

from lossgauge.records.discovery import Discovery
from lossgauge.verbs.discover import discover

COUPLED = {"eps": "1", "weight_decay": "1"}
FACTS: dict[str, tuple[dict[str, Any], dict[str, str], str, dict[str, str]]] = {
    "SGD": ({}, {"lr": "-1", "weight_decay": "1"}, "EXACT", {"momentum_buffer": "1"}),
    "SGD nesterov": ({"nesterov": True}, {"lr": "-1", "weight_decay": "1"}, "EXACT", {"momentum_buffer": "1"}),
    "Adam": ({}, COUPLED, "EXACT", {"exp_avg": "1", "exp_avg_sq": "2"}),
    "Adam amsgrad": ({"amsgrad": True}, COUPLED, "EXACT", {"max_exp_avg_sq": "2"}),
    "Adam decoupled": ({"decoupled_weight_decay": True}, {"eps": "1"}, "EXACT", {}),
    "AdamW": ({}, {"eps": "1"}, "EXACT", {"exp_avg": "1", "exp_avg_sq": "2"}),
    "NAdam": ({}, COUPLED, "EXACT", {"mu_product": "0"}),
    "NAdam decoupled": ({"decoupled_weight_decay": True}, {"eps": "1"}, "EXACT", {}),
    "Adamax": ({}, COUPLED, "EXACT", {"exp_avg": "1", "exp_inf": "1"}),
    "RMSprop": ({}, COUPLED, "EXACT", {"momentum_buffer": "0", "square_avg": "2"}),
    "RMSprop centered": ({"centered": True}, COUPLED, "EXACT", {"grad_avg": "1"}),
    "SparseAdam": ({}, {"eps": "1"}, "EXACT", {"exp_avg": "1", "exp_avg_sq": "2"}),
    "Adagrad": ({}, {**COUPLED, "initial_accumulator_value": "2"}, "EXACT", {"sum": "2"}),
    "Adadelta": ({}, {"lr": "-1", "eps": "2", "weight_decay": "1"}, "EXACT", {"square_avg": "2", "acc_delta": "2"}),
    "ASGD": ({}, {"lr": "-1", "lambd": "1", "weight_decay": "1"}, "EXACT", {"eta": "-1"}),
    "Rprop": ({}, {}, "EXACT", {"prev": "1"}),
    "Muon": ({}, {"eps": "1"}, "EXACT", {"momentum_buffer": "1"}),
    "RAdam": ({}, COUPLED, "BROKEN", {}),
    "Adafactor": ({}, {}, "BROKEN", {"row_var": "2", "col_var": "2"}),
    "LBFGS": ({}, {"tolerance_grad": "1"}, "BROKEN", {}),
    "clip_grad_norm_": ({}, {"max_norm": "1"}, "BROKEN", {}),
    "clip_grad_value_": ({}, {"clip_value": "1"}, "EXACT", {}),
}
NAMED = {
    "RAdam": ["radam.py", "[lr]", "W^2/L"],
    "Adafactor": ["_adafactor.py", "eps[0]"],
    "LBFGS": ["lbfgs.py", "1e-10", "tolerance_change"],
    "clip_grad_norm_": ["clip_grad.py", "1e-06"],
}
UNITS = {
    "SGD": {"lr": "W^2/L", "weight_decay": "L/W^2"},
    "Adam": {"lr": "W", "eps": "L/W"},
    "AdamW": {"weight_decay": "1/W"},
}


def disagreements(found: Discovery, carriers: dict[str, str], verdict: str, states: dict[str, str]) -> list[str]:
    """What a discovery says otherwise than the facts."""
    plain = found.to_dict()
    wrong = [] if plain["verdict"] == verdict else [f"{plain['verdict']}, not {verdict}"]
    if {n: k for n, k in plain["exponents"].items() if k != "0"} != carriers:
        wrong.append(f"{plain['exponents']}, not {carriers}")
    wrong += [f"state {s}: {plain['states'].get(s)}, not {k}" for s, k in states.items() if plain["states"].get(s) != k]
    return wrong


@pytest.mark.parametrize("case", FACTS)
def test_the_facts_are_reproduced(case: str) -> None:
    settings, carriers, verdict, states = FACTS[case]
    name = case.partition(" ")[0]
    found = discover(name if name.startswith("clip") else f"torch.optim:{name}", settings)
    assert not disagreements(found, carriers, verdict, states), found.advice
    evidence = found.evidence
    assert evidence["infer"]["derived"], evidence["infer"]["unknown_operations"]
    if verdict == "EXACT":
        assert evidence["certify"]["bitwise"]
        assert set(evidence["certify"]["violations_caught"]) >= set(carriers)
        agreed = {n: k for n, k in evidence["probe"]["exponents"].items() if n in found.law.exponents}
        assert all(str(found.law.exponents[n]) == k for n, k in agreed.items())
        assert agreed or found.disagreements, "the probe is silent and nobody says so"
    else:
        assert not evidence["certify"]["bitwise"]
        assert all(text in found.law.reason() + found.advice for text in NAMED[name])
    for hyperparameter, unit in UNITS.get(case, {}).items():
        assert evidence["infer"]["dimensions"][hyperparameter] == unit


def test_wrong_facts_are_noticed() -> None:
    found = discover("torch.optim:SGD")
    _, carriers, verdict, states = FACTS["SGD"]
    assert not disagreements(found, carriers, verdict, states)
    assert disagreements(found, {**carriers, "lr": "0"}, verdict, states)
    assert disagreements(found, carriers, "BROKEN", states)
    assert disagreements(found, carriers, verdict, {"momentum_buffer": "2"})


def test_other_code_paths_are_certified_too() -> None:
    assert discover("adamw").evidence["certify"]["implementations"] == {"foreach": True, "fused": True}


def test_a_value_the_user_switched_off_is_inert() -> None:
    found = discover("adam", {"weight_decay": 0.0})
    assert "weight_decay" in found.law.inert
    assert "weight_decay" not in found.law.exponents


def test_weights_that_move_by_sign_only_have_no_carrier() -> None:
    assert not discover("rprop").law.carriers

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from torch.optim import SGD, Adafactor, Adam

from lossgauge.errors import InputError
from lossgauge.frameworks.torch.signatures import flat, nested, read_signature

numbers = st.floats(allow_nan=False)
settings = st.dictionaries(
    st.sampled_from(["lr", "betas", "eps", "foreach"]),
    numbers | st.none() | st.booleans() | st.lists(numbers, min_size=1, max_size=12).map(tuple),
)


@given(settings)
def test_taking_tuples_apart_and_together_is_identity(given_settings: dict[str, Any]):
    assert nested(flat(given_settings)) == given_settings


def test_entries_are_put_in_order():
    assert nested({"betas[1]": 0.99, "lr": 1.0, "betas[0]": 0.9}) == {"lr": 1.0, "betas": (0.9, 0.99)}
    assert nested({f"p[{i}]": i for i in reversed(range(12))}) == {"p": tuple(range(12))}
    assert flat({"eps": [1e-30, None]}) == {"eps[0]": 1e-30, "eps[1]": None}
    assert nested({"betas": (0.9, 0.99)}) == {"betas": (0.9, 0.99)}


def kinds(factory: Callable[..., Any]) -> dict[str, str]:
    return {name: setting.kind for name, setting in read_signature("m:n", factory).items()}


def test_torchs_own_signatures_are_read():
    adam = read_signature("torch.optim:Adam", Adam)
    assert (adam["betas[1]"].default, adam["betas[1]"].kind) == (0.999, "number")
    assert (adam["foreach"].kind, adam["amsgrad"].kind, adam["eps"].kind) == ("flag", "flag", "number")
    assert kinds(SGD)["momentum"] == "number", "a whole default of a setting annotated as float"
    assert kinds(Adafactor)["eps[0]"] == "number" or adam["eps"].kind == "number"
    assert "params" not in adam


def test_kinds_follow_default_and_annotation():
    def build(params, lr, rho=0.5, power=2, mode="rel", on=True, bound=None, steps: int = 3, top: float | None = None,
              size: int | None = None, hook: Callable[[float], float] | None = None, maybe: bool | None = None,
              *rest, pair=(0.9, 1), **more): ...  # fmt: skip

    assert kinds(build) == {
        "lr": "required", "rho": "number", "power": "number", "mode": "choice", "on": "flag", "bound": "choice",
        "steps": "count", "top": "number", "size": "count", "hook": "choice", "maybe": "flag", "pair[0]": "number",
        "pair[1]": "number",
    }  # fmt: skip


@pytest.mark.parametrize("factory", [lambda: None, lambda *, lr=1.0: None, lambda **settings: None])
def test_what_takes_no_parameters_is_no_optimizer(factory: Callable[..., Any]):
    with pytest.raises(InputError) as caught:
        read_signature("mine:build", factory)
    assert str(caught.value) == (
        "mine:build takes no parameters to train as its first argument, so it is not an optimizer"
    )


def test_what_has_no_signature_is_refused():
    with pytest.raises(InputError) as caught:
        read_signature("builtins:dict", dict)
    assert str(caught.value) == "builtins:dict has no readable signature; give a Python class or a factory function"

import re
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from lossgauge.errors import InputError, ScriptError
from lossgauge.frameworks.torch.comparison.bench import prepare
from lossgauge.frameworks.torch.comparison.problems import make_problem
from tests.frameworks.torch.comparison.arrangements import make_batches, noisy_model, plain_model


class Half(nn.Linear):
    """A model in a format of few digits."""

    def __init__(self) -> None:
        super().__init__(3, 2, dtype=torch.bfloat16)

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input.bfloat16())


def endless() -> Iterator[tuple[Tensor, Tensor]]:
    while True:
        yield torch.ones(2, 3), torch.ones(2, 2)


def broken() -> Iterator[tuple[Tensor, Tensor]]:
    yield torch.ones(2, 3), torch.ones(2, 2)
    raise OSError("disk gone")


@pytest.mark.parametrize("kind", ["regression", "classification", "binary"])
def test_our_own_problems_repeat_themselves(kind: str):
    state = torch.random.get_rng_state()
    (model, batches), (again, others) = make_problem(kind), make_problem(kind)
    assert torch.equal(state, torch.random.get_rng_state())
    assert [len(y) for _, y in batches] == [32] * 7 + [8]
    assert all(torch.equal(a, b) for x, y in zip(batches, others, strict=True) for a, b in zip(x, y, strict=True))
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters(), strict=True))
    assert any(not torch.equal(a, b) for a, b in zip(model.parameters(), noisy_model().parameters(), strict=False))


def test_without_a_model_there_is_one_of_our_own():
    bench = prepare("mse", "mae", None, None, 32)
    assert bench.used["model"] == "our own regression problem, Sequential with 193 weights"
    assert bench.used["batches"] == "8 batches of 8 to 32 samples, 232 in all"
    assert bench.sizes == (32,) * 7 + (8,)


@pytest.mark.parametrize(
    "batches",
    [
        make_batches(),
        lambda: make_batches(),
        lambda: iter(make_batches()),
        DataLoader(TensorDataset(torch.ones(10, 3), torch.ones(10, 2)), batch_size=4, shuffle=True),
        "tests.frameworks.torch.comparison.arrangements:make_batches",
    ],
)
@pytest.mark.parametrize(
    "model", [plain_model(), plain_model, "tests.frameworks.torch.comparison.arrangements:plain_model"]
)
def test_what_models_and_batches_may_be(model: Any, batches: Any):
    state = torch.random.get_rng_state()
    bench = prepare("mse", "mae", model, batches, 32)
    assert len(bench.pair.batches) == 3
    assert isinstance(bench.model, nn.Sequential)
    assert torch.equal(state, torch.random.get_rng_state()), "shuffling and starting weights draw elsewhere"


def test_an_iterator_is_there_once():
    batches = iter(make_batches())
    assert len(prepare("mse", "mae", plain_model, batches, 32).pair.batches) == 3
    with pytest.raises(InputError, match="was an iterator used up"):
        prepare("mse", "mae", plain_model, batches, 32)


def test_an_endless_stream_is_cut():
    bench = prepare("mse", "mae", plain_model, endless, 5)
    assert len(bench.pair.batches) == 5
    assert bench.notes == ("only the first 5 batches were used; most_batches sets how many",)


@pytest.mark.parametrize(
    ("model", "batches", "message"),
    [
        (plain_model, None, "a model came without batches"),
        (None, make_batches(), "batches came without model"),
        (plain_model, [], "there are no batches"),
        (plain_model, torch.ones(3, 3), "expected an iterable of pairs"),
        (plain_model, 3, "the batches are int"),
        (plain_model, [torch.ones(2, 3)], "batch 1 is Tensor, expected a pair"),
        (plain_model, [(1, 2, 3)], "batch 1 is tuple with 3 parts"),
        (dict, make_batches(), "the model type is dict"),
        ("math:pi", make_batches(), "the model math:pi is float"),
        (nn.Tanh(), make_batches(), "no weight that requires a gradient"),
        (nn.Linear(2, 2).requires_grad_(False), make_batches(), "no weight that requires a gradient"),
    ],
)
def test_what_cannot_be_used(model: Any, batches: Any, message: str):
    with pytest.raises(InputError, match=re.escape(message)):
        prepare("mse", "mae", model, batches, 32)


def test_a_model_that_cannot_be_copied():
    model = plain_model()
    model.register_buffer("kept", model(torch.ones(1, 3)))  # torch copies no tensor that was computed
    with pytest.raises(InputError, match=r"cannot be copied .* give a function that makes it"):
        prepare("mse", "mae", model, make_batches(), 32)


@pytest.mark.parametrize(("model", "batches"), [(nn.Linear, make_batches()), (plain_model, broken)])
def test_what_fails_in_the_users_code(model: Any, batches: Any):
    with pytest.raises(ScriptError):
        prepare("mse", "mae", model, batches, 32)


def test_random_numbers_of_a_model_are_mentioned():
    assert "draws random numbers (dropout)" in prepare("mse", "mae", noisy_model(), make_batches(), 32).notes[0]
    assert prepare("mse", "mae", noisy_model().eval(), make_batches(), 32).notes == ()


def test_a_model_that_does_not_repeat_itself_is_mentioned():
    class Counting(nn.Linear):
        calls = 0

        def forward(self, input: Tensor) -> Tensor:
            self.calls += 1
            return super().forward(input) * self.calls

    assert "does not repeat itself" in prepare("mse", "mae", Counting(3, 2), make_batches(), 32).notes[0]


def test_an_output_that_is_no_tensor_is_mentioned():
    class Named(nn.Linear):
        def forward(self, input: Tensor) -> Any:
            return {"logits": super().forward(input)}

    bench = prepare(lambda z, y: z["logits"].mean(), lambda z, y: z["logits"].sum(), Named(3, 2), make_batches(), 32)
    assert "no weights of samples" in bench.notes[0]


def test_what_counts_as_one_depends_on_the_format():
    assert prepare("mse", "mae", plain_model, make_batches(), 32).tolerance == 1e-6
    assert 1e-4 < prepare("mse", "mae", Half, make_batches(), 32).tolerance < 1e-2

import torch
from torch import nn

from lossgauge.frameworks.torch.injection.bits import content, digest, live_optimizers, names_in, tensors_of


def test_digests_tell_bits_apart_and_nothing_else():
    base = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert digest(base) == digest(base.clone())
    assert digest(base) != digest(base.t())
    assert digest(base.t()) == digest(base.t().contiguous())
    assert digest(torch.tensor(0.0)) != digest(torch.tensor(-0.0))
    assert content(torch.tensor(1.0, dtype=torch.bfloat16)) == b"\x80\x3f"
    assert len(content(torch.ones(3, dtype=torch.complex64).conj())) == 24


def test_names_come_from_models_wherever_they_are():
    model = nn.Linear(1, 1)
    assert set(names_in({"a": [model], "b": 3}).values()) == {"weight", "bias"}
    assert names_in(3.0) == {}


def test_live_optimizers_are_found_by_their_type_alone():
    class Proxy:
        def __getattribute__(self, name: str):
            raise AssertionError("asked")

    proxy, first, second = Proxy(), nn.Parameter(torch.ones(1)), nn.Parameter(torch.ones(1))
    optimizer = torch.optim.SGD([{"params": [first]}, {"params": [second]}], lr=0.1)
    assert any(found is optimizer for found in live_optimizers())
    assert all(a is b for a, b in zip(tensors_of(optimizer), (first, second), strict=True))
    assert type(proxy) is Proxy

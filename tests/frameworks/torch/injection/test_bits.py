import torch
from torch import nn

from lossgauge.frameworks.torch.injection.bits import content, digest, names_in


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

from typing import Any

import pytest

from lossgauge.reports.gauges import tell_gauges


def told(**gauges: Any) -> dict[str, str]:
    return dict(tell_gauges(gauges))


@pytest.mark.parametrize(
    ("value", "meaning"),
    [(1.0, "like SGD"), (0.0, "the loss multiplier cancels"), (1e-6, "the loss multiplier cancels")],
)
def test_elasticity_says_what_it_means(value: float, meaning: str):
    assert meaning in told(elasticity=value)["elasticity"]


def test_elasticity_between_says_what_carries_it():
    said = told(elasticity=0.4, carriers={"eps": 0.39, "weight_decay": 0.01, "lr": 0.0, "betas[0]": "nan"})
    assert said["elasticity"] == "0.40 (through eps 0.39, weight_decay 0.01)"
    said = told(
        elasticity=0.7, carriers={"eps": 0.3, "lr": 0.2, "max_norm": 0.1, "weight_decay": 0.06, "momentum": 0.04}
    )
    assert said["elasticity"] == "0.70 (through eps 0.30, lr 0.20, max_norm 0.10, others 0.10)"


def test_an_estimated_part_says_so():
    said = told(elasticity=0.4, carriers={"eps": 0.1, "weight_decay": 0.3}, carriers_estimated=["weight_decay", "lr"])
    assert said["elasticity"] == "0.40 (through weight_decay 0.30 (estimated), eps 0.10)"
    assert "estimated" not in told(elasticity=0.4, carriers={"eps": 0.4})["elasticity"]


@pytest.mark.parametrize(("value", "place"), [(2e-7, "below"), (1e-3, "within"), (0.5, "above")])
def test_updates_are_compared_with_the_usual(value: float, place: str):
    assert f"({place} the usual" in told(relative_update=value)["update"]


def test_clipping_and_losses():
    said = told(share_clipped=0.5, norm_to_threshold=12.3, loss_start=4.0, loss_end=0.5, loss_terms=["a", "b"])
    assert said == {"clipping": "50 % of the steps, the norm is 12 times the threshold", "loss": "a + b, 4 → 0.5"}
    assert told(share_clipped=0.0, norm_to_threshold=0.1) == {"clipping": "0 % of the steps"}
    assert told(loss_terms=list("abcdefg"))["loss"] == "a + b + c + d + 3 more"


def test_only_an_unusual_ending_is_told():
    assert told(ending="finished") == {}
    assert told(ending="killed", skipped_steps=3) == {"ending": "killed, 3 steps left out by the scaler"}


def test_what_nobody_knows_is_left_out():
    assert told(new_gauge=3.0, elasticity=None, relative_update="nan?") == {}

"""A comparison as its record writes it, with a few points."""

from typing import Any

from lossgauge.records.comparison import Relation


def comparison(relation: Relation = Relation.MOSTLY, trained: bool = True) -> dict[str, Any]:
    start = {"step": 0, "alpha_eff": 0.8, "cos2": 0.976, "batch_share": 0.9901, "alpha_low": 0.75, "alpha_high": 0.85,
             "effective_share": 0.97, "value_a": 1.0, "value_b": 0.4}  # fmt: skip
    end = start | {"step": 200, "alpha_eff": 0.4, "cos2": 0.3, "value_a": 0.2, "value_b": 0.06}
    layer = {"name": "in.weight", "alpha_eff": 0.8, "cos2": 0.9999, "norm_a": 1.0, "norm_b": 2.0}
    other = {"name": "in.bias", "alpha_eff": 0.4, "cos2": 0.5, "norm_a": 1.0, "norm_b": 1.0}
    weights = {"samples": 20, "without": 0, "quantiles": {"0.05": 0.6, "0.95": 1.1}, "effective_share": 0.97,
               "explained": 1.0, "by_difficulty": [0.5, 1.0]}  # fmt: skip
    settings = {"lr": 1e-3, "eps": 1e-8}
    taken = {"step": 0, "alpha": 0.8, "alpha_text": "0.8", "optimizer": "Adam", "verdict": "EXACT",
             "settings": settings, "exponents": {"eps": "1", "lr": "0"}, "equivalent": settings | {"eps": 8e-9},
             "advice": "set eps", "states": {}}  # fmt: skip
    later = taken | {"step": 200, "alpha": 0.4, "alpha_text": "0.4", "equivalent": settings | {"eps": 4e-9}}
    courses = {"a": [start, end], "b": [start, end | {"alpha_eff": 0.2, "cos2": None}]}
    return start | {
        "schema": "lossgauge.compare/1",
        "loss_a": "cross-entropy",
        "loss_b": "focal:gamma=2",
        "verdict": str(relation),
        "verdict_text": "mostly a factor (75 %)" if relation is Relation.MOSTLY else str(relation),
        "share": 0.75,
        "per_batch": [{**layer, "name": "batch 1"}, {**other, "name": "batch 2"}],
        "batch_sizes": [32, 8],
        "per_layer": [layer, other],
        "per_layer_trained": [layer | {"alpha_eff": 0.4, "cos2": None}] if trained else [],
        "over_training": courses if trained else {},
        "weights": weights,
        "weights_trained": None,
        "settings": settings,
        "equivalent": taken["equivalent"],
        "compensations": [taken, later],
        "tolerance": 1e-6,
        "used": {"model": "a model", "batches": "8 batches", "optimizer": "Adam", "steps": 200 if trained else 0},
        "notes": [],
    }

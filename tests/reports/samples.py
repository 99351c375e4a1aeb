"""Plain records as the verbs give them, to be rendered."""

from typing import Any

ADAM: dict[str, Any] = {
    "schema": "lossgauge.discover/1",
    "optimizer": "torch.optim:Adam",
    "verdict": "EXACT",
    "exponents": {"betas[0]": "0", "betas[1]": "0", "eps": "1", "lr": "0", "weight_decay": "1"},
    "states": {"exp_avg": "1", "exp_avg_sq": "2"},
    "dimensions": {"eps": "L/W", "lr": "W", "weight_decay": "L/W²"},
    "inert": [],
    "hidden_constants": [],
    "clashes": [],
    "settings": {"lr": 1e-3, "betas[0]": 0.9, "betas[1]": 0.999, "eps": 1e-8, "weight_decay": 0},
    "evidence": {
        "infer": {
            "derived": True,
            "dimensions": {"eps": "L/W", "lr": "W"},
            "contradictions": [],
            "unknown_operations": [],
        },
        "probe": {"residual": 3.1e-10, "exponents": {"eps": "1", "lr": "0"}, "inert": [], "condition": 812.345},
        "certify": {
            "alpha": 4096,
            "bitwise": True,
            "first_difference": None,
            "violations_caught": ["eps", "weight_decay", "lr"],
            "runs": 6,
        },
    },
    "disagreements": [],
    "advice": "With the loss multiplied by α, multiply eps and weight_decay by α.",
}

RADAM: dict[str, Any] = {
    **ADAM,
    "optimizer": "torch.optim:RAdam",
    "verdict": "BROKEN",
    "exponents": {"eps": "1", "weight_decay": "1"},
    "inert": ["maximize"],
    "evidence": {
        "infer": {
            "derived": False,
            "dimensions": {},
            "contradictions": [
                {
                    "where": "/venv/lib/site-packages/torch/optim/radam.py:364",
                    "code": "param.add_(bias_corrected_exp_avg * lr * [red]adaptive[/red], alpha=-1.0)",
                    "left": "W",
                    "right": "L",
                    "others": [
                        {"where": "torch/optim/radam.py:358", "code": "param.add_(", "left": "W", "right": "L/W"}
                    ],
                }
            ],
            "unknown_operations": ["torch.special.zeta at x.py:3"],
        },
        "probe": {"residual": 0.31, "exponents": {}, "inert": [], "condition": 4.0},
        "certify": {
            "alpha": 4096,
            "bitwise": False,
            "first_difference": {"step": 6, "tensor": "w0", "ulps": 812},
            "violations_caught": [],
            "runs": 2,
        },
    },
    "disagreements": ["the probe gives eps no exponent, the code 1: eps has no influence at these values"],
    "advice": "",
}

PROOF: dict[str, Any] = {
    "schema": "lossgauge.prove/1",
    "verdict": "EXACT",
    "alpha": 131072,
    "steps": 120,
    "first_difference": None,
    "violations_caught": ["eps", "weight_decay"],
    "inert": ["max_norm"],
    "certified_at": 131072,
    "reason": "",
    "optimizers": [{"target": "torch.optim:NAdam", "verdict": "EXACT", "exponents": {"eps": "1", "lr": "0"}}],
    "notes": [],
}

BROKEN_PROOF: dict[str, Any] = {
    **PROOF,
    "verdict": "BROKEN",
    "first_difference": {"step": 1, "tensor": "net[0].weight", "ulps": 3},
    "violations_caught": [],
    "reason": "clip_grad_norm_ adds 1e-6 to the norm",
    "notes": ["the script was run in another process"],
}

"""Two losses on one model: their gradients side by side, at one set of weights and along trainings."""

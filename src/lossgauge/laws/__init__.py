"""Laws: what multiplying the loss by α does to each hyperparameter and state, and the table of those already known."""

"""Rescaling: live optimizers, schedules, scalers and checkpoints moved to other units of the loss."""

"""Trainings with a known cause: what `lossgauge run --confirm` must be able to tell apart."""

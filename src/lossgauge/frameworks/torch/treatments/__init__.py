"""Carrying out one change in a running training that knows nothing of it."""

"""Experiments: questions answered by running a training more than once."""

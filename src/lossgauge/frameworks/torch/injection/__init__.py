"""Injection: a change of units laid over a training that knows nothing of it, and the watching of its steps."""

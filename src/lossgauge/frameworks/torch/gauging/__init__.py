"""Gauging: watching a training from the places where torch itself passes, without changing a bit of it."""

"""Tracing: an optimizer run with unit-carrying numbers; every operation is asked what it does to units."""

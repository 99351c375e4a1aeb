"""Demonstrations: the small trainings behind the statements of the seed thread."""

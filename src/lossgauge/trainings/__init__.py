"""Trainings: a callable or a script run under observation and injection, here or in a child process."""

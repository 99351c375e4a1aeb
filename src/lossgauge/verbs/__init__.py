"""Verbs: the public Python interface, one file per verb; each takes the user's object first and returns a record."""

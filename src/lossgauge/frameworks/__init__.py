"""Frameworks: the only room where the name of a framework is written; what the rooms above see is in `subject`."""

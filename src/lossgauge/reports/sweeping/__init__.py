"""The pictures of a sweep, one file each, and what they share."""

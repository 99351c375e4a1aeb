"""The torch side of every room above."""

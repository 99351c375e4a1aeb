"""The statements of the seed thread, each tested on this machine."""

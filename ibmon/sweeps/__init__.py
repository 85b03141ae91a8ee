"""Grids of runs: which there are, which of them a group has already, and how they are run a few at a time."""

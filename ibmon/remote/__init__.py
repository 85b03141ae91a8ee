"""Runs on other hosts, over plain ssh: ibmon there where it is installed, else a copy of the run directory that grows with it."""

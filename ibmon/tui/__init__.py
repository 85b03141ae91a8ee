"""The terminal: one screen over a run that a thread tails. Textual lives here and nowhere else."""

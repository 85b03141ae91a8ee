"""Run directories: where they are, who is alive in them, and what their logs say."""

"""What was measured, written for other programs: tables of every number, and event files."""

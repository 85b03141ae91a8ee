"""Capture: what happens inside the trainer's process."""

from .taps import tap as tap

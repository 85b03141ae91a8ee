"""Figures: a description of what to draw, and its renderers."""

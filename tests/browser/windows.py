"""Widths of windows that pages must look right in."""

WIDE, NARROW = 1280, 390  # pixels

"""Comparison of every number with values of the authors' program (`scripts/check_parity.py`)."""

"""Scores of report files of any system, without a model: the parts of `scripts/score.py`."""

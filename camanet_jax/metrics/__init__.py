"""Scores of generated reports and of image classification, with their intervals."""

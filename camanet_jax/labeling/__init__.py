"""Observations read off reports: label files, CheXbert in Flax, and the runs that label a data set."""

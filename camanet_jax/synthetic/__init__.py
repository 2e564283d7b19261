"""Synthetic chest films with reports, labels and lesion masks; `chest.py` is the TFDS builder."""

"""Synthetic chest films with reports, labels and lesion masks: `studies.py` makes one, `chest.py` is the TFDS builder."""

"""Alignment of the maps with the lesions in numbers (the paper shows pictures only)."""

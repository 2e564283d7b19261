"""Reports for a user's own films: the Python API, the search over batches, the output folder."""

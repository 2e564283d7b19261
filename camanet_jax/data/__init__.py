"""From a folder of films and reports to batches of arrays."""

"""Everything a run keeps: files, checkpoints, workdir, logs, progress, provenance."""

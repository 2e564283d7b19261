"""The paper's experiments as one resumable command: systems, grid of runs, tables, figures."""

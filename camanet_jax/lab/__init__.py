"""Experiments about the method: ablation, alignment, benchmarks, parity. Only scripts import it."""

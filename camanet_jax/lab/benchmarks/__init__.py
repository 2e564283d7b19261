"""Measurements of speed, memory and cost on the machine at hand: what scripts/benchmark.py runs."""

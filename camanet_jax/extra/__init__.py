"""Losses beyond the paper, each a name for `loss.extra` (docs/extend.md)."""

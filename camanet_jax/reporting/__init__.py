"""Pictures and pages of a run: heat maps over films, figures of studies, curves of training."""

from camanet_jax.reporting.curves import draw_curves
from camanet_jax.reporting.figures import draw_study, draw_words

__all__ = ['draw_curves', 'draw_study', 'draw_words']

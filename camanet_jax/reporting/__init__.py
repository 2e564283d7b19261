"""Pictures and pages of a run: heat maps over films, figures of studies, curves of training."""

"""camanet_jax: CAMANet (J-BHI 2024), radiology report generation, in JAX and Flax.

import camanet_jax
reporter = camanet_jax.load('runs/demo')
reporter.generate(['frontal.png'])[0].report
"""


def load(workdir):
    """Opens the best checkpoint of a workdir, or a published model (a folder, or `hf://owner/name`).

    See `camanet_jax.generate.reporter.Reporter`.
    """
    from camanet_jax.generate.reporter import load  # here, so that importing a part of the package stays light

    return load(workdir)

"""camanet_jax: CAMANet (J-BHI 2024), radiology report generation, in JAX and Flax."""

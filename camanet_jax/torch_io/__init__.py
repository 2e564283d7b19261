"""PyTorch's files and names: reading, writing, and conversion both ways."""

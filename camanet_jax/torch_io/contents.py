"""What every kind of PyTorch file comes down to."""

from collections.abc import Callable
from typing import Any, NamedTuple


class Contents(NamedTuple):
    """The pickled object, with tensors as `TensorView`s, and the function that reads the bytes of a storage."""

    value: Any
    read_storage: Callable[[str], bytes | memoryview]

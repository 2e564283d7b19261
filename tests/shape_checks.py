"""Checks annotations of shapes and dtypes, in tests only: the import hook of conftest.py applies `checked`."""

import functools
import operator
from collections.abc import Callable
from types import UnionType
from typing import Any, Union, get_args, get_origin

import jax
import jaxtyping
import numpy as np
from beartype import beartype

SCALARS = float | int | bool | np.generic


def checked(function: Callable) -> Callable:
    """The function with its array annotations checked at every call; other annotations are for readers."""
    hints = {name: hint for name, hint in function.__annotations__.items() if names_arrays(hint)}
    if not hints:
        return function
    function.__annotations__ = {name: of_any_library(hint) for name, hint in hints.items()}
    return beartype(function)


def names_arrays(hint: Any) -> bool:
    """Whether a jaxtyping annotation is in it."""
    return is_array(hint) or any(map(names_arrays, get_args(hint)))


def is_array(hint: Any) -> bool:
    """Whether it is one, e.g. Float[Array, 'B L']."""
    return isinstance(hint, type) and issubclass(hint, jaxtyping.AbstractArray)


def of_any_library(hint: Any) -> Any:
    """The annotation, met by NumPy's arrays as by JAX's: functions of either kind take both."""
    if is_array(hint):
        arrays = hint.dtype[jax.Array | np.ndarray, hint.dim_str]
        return arrays | SCALARS if hint.dim_str in ('', '...') else arrays
    if get_origin(hint) in (Union, UnionType):
        return functools.reduce(operator.or_, map(of_any_library, get_args(hint)))
    return hint

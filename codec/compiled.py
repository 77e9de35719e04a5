"""How the inner loops are compiled: with numba, at import, once a machine."""

from collections.abc import Callable
from typing import Any, TypeVar

import numba

_F = TypeVar("_F", bound=Callable[..., Any])
_njit: Any = numba.njit
types: Any = numba.types


def compiled(signature: object) -> Callable[[_F], _F]:
    """Compile at import for one signature; later processes find the code in numba's cache.

    Where no cache folder can be written (numba raises then), or what lies in it can't be read, each process compiles anew.
    """

    def decorate(function: _F) -> _F:
        result: _F
        try:
            result = _njit(signature, cache=True, nogil=True, error_model="numpy")(function)
        except Exception:  # noqa: BLE001 - a damaged cache fails in any way; a fault of the function is raised again below
            result = _njit(signature, cache=False, nogil=True, error_model="numpy")(function)
        return result

    return decorate


def most_threads() -> int:
    """How many a loop may take: NUMBA_NUM_THREADS, or one for each processor."""
    return int(numba.config.NUMBA_NUM_THREADS)  # type: ignore[attr-defined]  # numba sets it as it loads


def read_only(scalar: object, dimensions: int = 1) -> object:
    """Type of a C-contiguous array that a loop only reads."""
    return types.Array(scalar, dimensions, "C", readonly=True)

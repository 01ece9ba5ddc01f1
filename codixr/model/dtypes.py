"""The types that weights may have in memory: a torch dtype, its name, or one a component."""

from collections.abc import Mapping

import torch

from codixr.errors import InputError

Dtype = torch.dtype | str | Mapping[str, torch.dtype | str] | None
_NAMES = ("float32", "float16", "bfloat16", "float64")


def of_component(dtype: Dtype, name: str) -> torch.dtype | None:
    """The type of component ``name``; None is as it is saved (float32).

    A mapping may have "default". InputError for what is not a type of weights.
    """
    if isinstance(dtype, Mapping):
        return of_component(dtype.get(name, dtype.get("default")), name)
    if isinstance(dtype, str):
        short = dtype.removeprefix("torch.")
        if short not in _NAMES:
            raise InputError(f"dtype '{dtype}': one of {', '.join(_NAMES)}")
        found: torch.dtype = getattr(torch, short)
        return found
    if dtype is not None and not (isinstance(dtype, torch.dtype) and dtype.is_floating_point):
        raise InputError(f"dtype {dtype!r}: give a torch dtype or one of {', '.join(_NAMES)}")
    return dtype


def check(dtype: Dtype, components: tuple[str, ...]) -> None:
    """InputError for a mapping with a name that is not a component's."""
    if isinstance(dtype, Mapping) and (unknown := set(dtype) - {*components, "default"}):
        known = ", ".join((*components, "default"))
        raise InputError(f"dtype: '{min(unknown)}' is not a component; one of {known}")

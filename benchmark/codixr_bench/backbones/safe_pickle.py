"""Tensors from a file of weights, without running anything that the file says.

``torch.load(weights_only=True)`` reads state dicts. The files of torchxrayvision are pickles of
whole modules, most in a format older than that mode knows. For them, an unpickler that resolves the
functions which build tensors, and stands in an empty shell for every class of a network library:
no module is imported, no method of a class is called. Anything else that a file names is refused.
"""

import pickle
import warnings
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import torch
import torch._utils
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from codixr.errors import InputError

_BUILDERS: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("builtins", "set"): set,
    ("__builtin__", "set"): set,
    ("torch._utils", "_rebuild_tensor_v2"): torch._utils._rebuild_tensor_v2,
    ("torch._utils", "_rebuild_parameter"): torch._utils._rebuild_parameter,
}
_SHELLED = ("torch.nn", "torchvision", "torchxrayvision", "models")
"""Packages whose classes may be named in a file; none of them is imported for it."""


class _Shell:
    """Stands for a module of a network: keeps its attributes, has no behaviour."""

    dump_patches = False

    def __init__(self, *_: object, **__: object) -> None:
        """Accepts whatever the class it stands for was given."""

    def __setstate__(self, state: object) -> None:
        if isinstance(state, dict):
            self.__dict__.update(state)


class _RefusedError(Exception):
    """A file names something that does not belong to a network."""


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _BUILDERS:
            return _BUILDERS[module, name]
        if any(module == known or module.startswith(f"{known}.") for known in _SHELLED):
            return type(name, (_Shell,), {})
        raise _RefusedError(f"{module}.{name}")


class _PickleModule:
    """What ``torch.load`` asks of a ``pickle_module``."""

    Unpickler = _Unpickler

    @staticmethod
    def load(file: Any, **options: Any) -> Any:
        """As ``pickle.load``."""
        return _Unpickler(file, **options).load()


def tensors_in(path: Path) -> dict[str, Tensor]:
    """Name -> tensor of a file of weights, on the CPU; InputError for anything else."""
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        return _state_of(_load(path), path)
    except OSError as error:
        raise InputError(f"'{path}' cannot be read: {error.strerror or error}") from error
    except SafetensorError as error:
        raise InputError(f"'{path}' is not a safetensors file: {error}") from error


def _load(path: Path) -> Any:
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if any(name.endswith("/constants.pkl") for name in archive.namelist()):
                raise InputError(
                    f"'{path}' is a TorchScript program, not weights: save its state dict"
                )
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError):
        return _load_module(path)


def _load_module(path: Path) -> Any:
    """A pickled module as shells; where the file is damaged instead, this says so."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.load(
                path, map_location="cpu", pickle_module=_PickleModule, weights_only=False
            )
    except _RefusedError as error:
        raise InputError(
            f"'{path}' asks for '{error}', which no file of weights needs: it is not read"
        ) from error
    except Exception as error:  # unpickling raises anything on damaged files
        raise InputError(
            f"'{path}' is damaged, or no file of weights ({type(error).__name__}); "
            "give a PyTorch state dict or a .safetensors file"
        ) from error


def _state_of(loaded: Any, path: Path) -> dict[str, Tensor]:
    if isinstance(loaded, dict):
        for key in ("state_dict", "model", "teacher"):
            if isinstance(loaded.get(key), dict):
                loaded = loaded[key]
        state = {str(k): v.detach() for k, v in loaded.items() if isinstance(v, Tensor)}
    elif isinstance(loaded, _Shell):
        state = dict(_walk(loaded, ""))
    else:
        state = {}
    if not state:
        raise InputError(f"'{path}' holds no tensors by name: give a PyTorch state dict")
    return {name.removeprefix("module."): tensor for name, tensor in state.items()}


def _walk(module: _Shell, prefix: str) -> list[tuple[str, Tensor]]:
    """Parameters and buffers of a module that a shell stands for, as ``state_dict`` names them."""
    found = []
    for kind in ("_parameters", "_buffers"):
        held = getattr(module, kind, None) or {}
        found += [(prefix + k, v.detach()) for k, v in held.items() if isinstance(v, Tensor)]
    for name, child in (getattr(module, "_modules", None) or {}).items():
        if isinstance(child, _Shell):
            found += _walk(child, f"{prefix}{name}.")
    return found

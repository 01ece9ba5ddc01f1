"""Make ``diffusers.CoDiXRPipeline`` known, so that ``DiffusionPipeline.from_pretrained`` finds it.

diffusers looks the class that a folder's index names up in its own namespace, and the classes of
its parts in that of ``diffusers.pipelines``; neither has a list that others may add to. Neither
diffusers nor torch is imported here: the names are put there when those modules arrive, and what
they name is made when somebody asks for it.
"""

import importlib.abc
import importlib.util
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any


def register() -> None:
    """Add the names to diffusers, now or as soon as it is imported."""
    for place in _NAMES:
        if place in sys.modules:
            _add_to(sys.modules[place], place)
    waits = {place for place in _NAMES if place not in sys.modules}
    if waits and not any(isinstance(finder, _Wait) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Wait(waits))


class _Wait(importlib.abc.MetaPathFinder):
    """Finds nothing itself; when a module is looked for, has its name added once it is there."""

    def __init__(self, places: set[str]) -> None:
        self._places = places

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in self._places:
            return None
        self._places.discard(fullname)
        if not self._places:
            sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        loader: Any = None if spec is None else spec.loader
        if loader is not None:
            execute = loader.exec_module

            def then_add(module: ModuleType) -> None:
                execute(module)
                _add_to(sys.modules[fullname], fullname)

            loader.exec_module = then_add
        return spec


def _pipeline(_: ModuleType) -> Any:
    from codixr.model.pipeline import CoDiXRPipeline

    return CoDiXRPipeline


def _parts(_: ModuleType) -> Any:
    from codixr.model import library

    return library


_NAMES = {"diffusers": ("CoDiXRPipeline", _pipeline), "diffusers.pipelines": ("codixr", _parts)}
"""Module -> the name that it gets, and what that stands for."""


def _add_to(module: ModuleType, place: str) -> None:
    name, value = _NAMES[place]
    kind: Any = type(module)  # the module's own class, whichever that is
    if name not in vars(kind):
        module.__class__ = type("WithCoDiXR", (kind,), {name: property(value)})

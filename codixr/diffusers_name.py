"""Make ``diffusers.CoDiXRPipeline`` known, so that ``DiffusionPipeline.from_pretrained`` finds it.

diffusers looks the class that a folder's index names up in its own namespace, and has no list that
others may add to. Neither it nor torch is imported here: the name is put there when it arrives, and
the class is made when somebody asks for it.
"""

import importlib.abc
import importlib.util
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any


def register() -> None:
    """Add the name to diffusers, now or as soon as it is imported."""
    if "diffusers" in sys.modules:
        _add_to(sys.modules["diffusers"])
    elif not any(isinstance(finder, _Wait) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Wait())


class _Wait(importlib.abc.MetaPathFinder):
    """Finds nothing itself; when diffusers is looked for, has the name added once it is there."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != "diffusers":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        loader: Any = None if spec is None else spec.loader
        if loader is not None:
            execute = loader.exec_module

            def then_add(module: ModuleType) -> None:
                execute(module)
                _add_to(sys.modules[fullname])

            loader.exec_module = then_add
        return spec


def _add_to(module: ModuleType) -> None:
    kind: Any = type(module)

    class WithCoDiXR(kind):  # type: ignore[misc]  # the module's own class, whichever that is
        @property
        def CoDiXRPipeline(self) -> Any:  # noqa: N802 - a class's name
            from codixr.model.pipeline import CoDiXRPipeline

            return CoDiXRPipeline

    if "CoDiXRPipeline" not in vars(kind):
        module.__class__ = WithCoDiXR

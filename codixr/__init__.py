"""CoDi_XR: any-to-any generation of frontal X-rays, lateral X-rays and radiology reports."""

from typing import TYPE_CHECKING

from codixr.diffusers_name import register

if TYPE_CHECKING:
    from codixr.model.pipeline import CoDiXRPipeline

__all__ = ["CoDiXRPipeline", "__version__"]
__version__ = "0.1.0"

register()


def __getattr__(name: str) -> object:
    """``from codixr import CoDiXRPipeline``, which brings in torch, only when asked for."""
    if name == "CoDiXRPipeline":
        from codixr.model.pipeline import CoDiXRPipeline

        return CoDiXRPipeline
    raise AttributeError(f"module 'codixr' has no attribute '{name}'")

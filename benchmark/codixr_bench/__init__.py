"""The benchmark: every task of the CoDi_XR paper, for any model.

``from codixr_bench import evaluate, compare, load_result``: the commands ``run``, ``compare`` and a
result file, from Python (``api.py``).
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from codixr_bench.api import compare, evaluate, load_result

__all__ = ["compare", "evaluate", "load_result"]


def __getattr__(name: str) -> Any:
    # Imported when it is asked for: `import codixr_bench` and the light commands stay light.
    if name in __all__:
        from codixr_bench import api

        return getattr(api, name)
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])

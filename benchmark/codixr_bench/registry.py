"""Models, metrics and tracks by name: the built-in ones, written down here, and plugged-in ones.

Nothing registers itself by being imported. Other packages add theirs with the entry point groups
``codixr.models``, ``codixr.metrics`` and ``codixr.tracks``; a model needs none:
``--model package.module:Class``.
"""

import difflib
import importlib
import importlib.util
import sys
from collections.abc import Iterable, Mapping
from functools import lru_cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from codixr.errors import InputError

if TYPE_CHECKING:
    from codixr_bench.model import GenerativeModel

Kind = Literal["models", "metrics", "tracks"]

MODELS: dict[str, str] = {
    "codixr": "codixr_bench.models.codixr:CoDiXRModel",
    "codi": "codixr_bench.models.codi:CoDiModel",
    "real": "codixr_bench.models.real:RealModel",
    "retrieval": "codixr_bench.models.retrieval:RetrievalModel",
    "classifier": "codixr_bench.models.classifier:ClassifierModel",
    "constant": "codixr_bench.models.constant:ConstantModel",
    "noise": "codixr_bench.models.noise:NoiseModel",
    "diffusers": "codixr_bench.models.diffusers:DiffusersModel",
    "transformers": "codixr_bench.models.transformers:TransformersModel",
    "samples": "codixr_bench.models.samples:SamplesModel",
}
"""Name -> module:Class."""
METRICS: dict[str, str] = {
    "frechet": "codixr_bench.metrics.picture_families:frechet",
    "classification": "codixr_bench.metrics.families:classification",
    "bleu": "codixr_bench.metrics.families:bleu",
    "report_labels": "codixr_bench.metrics.report_labels:report_labels",
    "rouge": "codixr_bench.metrics.families:rouge",
    "consistency": "codixr_bench.metrics.families:consistency",
    "near_copy_image": "codixr_bench.metrics.families:near_copy_image",
    "near_copy_report": "codixr_bench.metrics.families:near_copy_report",
    "radeval": "codixr_bench.metrics.families:radeval",
    "green": "codixr_bench.metrics.families:green",
    "inception": "codixr_bench.metrics.picture_families:inception",
    "xrv": "codixr_bench.metrics.picture_families:xrv",
    "xrv_chex": "codixr_bench.metrics.picture_families:xrv_chex",
    "dinov2": "codixr_bench.metrics.picture_families:dinov2",
}
"""Name -> module:function, called as ``function(task, track)`` for a list of Metric."""
TRACKS: dict[str, str] = {
    "phantom": "phantom.yaml",
    "phantom-256": "phantom-256.yaml",
    "openi": "openi.yaml",
    "ct": "ct.yaml",
    "mimic-cxr": "mimic-cxr.yaml",
    "mimic-cxr-jpg": "mimic-cxr-jpg.yaml",
}
"""Name -> the recipe's file in ``data_manifests``."""
BUILT_IN: dict[Kind, dict[str, str]] = {"models": MODELS, "metrics": METRICS, "tracks": TRACKS}


@lru_cache(maxsize=3)
def plugged_in(kind: Kind) -> Mapping[str, str]:
    """The entry points of other distributions: name -> module:object."""
    return {point.name: point.value for point in entry_points(group=f"codixr.{kind}")}


def names(kind: Kind) -> list[str]:
    """All names of a kind: built-in ones first, in the order they are written down."""
    built_in = BUILT_IN[kind]
    return [*built_in, *sorted(set(plugged_in(kind)) - set(built_in))]


def unknown(what: str, name: str, known: Iterable[str], more: str = "") -> InputError:
    """The error for a name that nobody knows: did you mean …?"""
    known = list(known)
    close = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.5)
    guess = f"; did you mean '{close[0]}'?" if close else f"; known: {', '.join(known)}"
    return InputError(f"unknown {what} '{name}'{guess}{more}")


def load_object(spec: str, what: str) -> Any:
    """The object at ``package.module:name``; InputError that says what is wrong with it."""
    module_name, _, attribute = spec.partition(":")
    _see_working_directory()
    try:
        found: Any = importlib.import_module(module_name)
    except ImportError as error:
        raise InputError(f"{what} '{spec}': cannot import '{module_name}': {error}") from error
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise InputError(f"{what} '{spec}': '{module_name}' has no '{attribute}'")
        found = getattr(found, part)
    return found


def load_model(spec: str) -> "GenerativeModel":
    """A model from ``name``, ``name:PATH`` (a checkpoint), or ``package.module:Class``.

    Raises InputError for an unknown name (did you mean …?), a class that is no model, and whatever
    the model finds wrong with its checkpoint.
    """
    more = " (or write package.module:Class; see `codixr-bench models`)"
    name, colon, rest = spec.partition(":")
    known = names("models")
    if name in known:
        target = MODELS.get(name) or plugged_in("models")[name]
        build = load_object(target, "model")
        if colon and not rest:
            raise InputError(f"model '{spec}': the path after ':' is missing")
        if colon and not _takes_checkpoint(build):
            raise InputError(f"model '{name}' has no checkpoint: write --model {name}")
        model = build(Path(rest)) if colon else build()
    elif colon and _can_be_imported(name):
        build = load_object(spec, "model")
        model = _build(build, spec) if callable(build) else build
    else:
        raise unknown("model", name, known, more)
    missing = [
        part for part in ("name", "version", "supports", "generate") if part not in dir(model)
    ]
    if missing:
        raise InputError(
            f"model '{spec}' is no GenerativeModel: it lacks {', '.join(missing)} "
            "(see codixr_bench/model.py)"
        )
    loaded: GenerativeModel = model
    return loaded


def _build(build: Any, spec: str) -> Any:
    try:
        return build()
    except TypeError as error:
        raise InputError(f"model '{spec}' cannot be built without arguments: {error}") from error


def _takes_checkpoint(build: Any) -> bool:
    return bool(getattr(build, "takes_checkpoint", True))


def _can_be_imported(module: str) -> bool:
    _see_working_directory()
    try:
        return importlib.util.find_spec(module.partition(".")[0]) is not None
    except (ImportError, ValueError):
        return False


def _see_working_directory() -> None:
    # A console script's path lacks the working directory, where a user's own model often is.
    folder = str(Path.cwd())
    if folder not in sys.path:
        sys.path.append(folder)

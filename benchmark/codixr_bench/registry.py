"""Models, metrics and tracks by name: the built-in ones, written down here, and plugged-in ones.

Nothing registers itself by being imported. Other packages add theirs with the entry point groups
``codixr.models``, ``codixr.metrics`` and ``codixr.tracks``; a model needs none:
``--model package.module:Class``.
"""

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from codixr.arguments import closest
from codixr.errors import InputError

if TYPE_CHECKING:
    from codixr_bench.metric import Facts, Family
    from codixr_bench.model import GenerativeModel
    from codixr_bench.score import ResultWarning, Score

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
    "frechet": "codixr_bench.metrics.distances:FRECHET",
    "classification": "codixr_bench.metrics.classification:CLASSIFICATION",
    "bleu": "codixr_bench.metrics.bleu:BLEU",
    "report_labels": "codixr_bench.metrics.report_labels:REPORT_LABELS",
    "attributes": "codixr_bench.metrics.attributes:ATTRIBUTE_F1",
    "frd": "codixr_bench.metrics.frd:FRD",
    "image_attributes": "codixr_bench.metrics.image_attributes:IMAGE_ATTRIBUTE_F1",
    "judge_gap": "codixr_bench.metrics.judge_gap:JUDGE_GAP",
    "served_share": "codixr_bench.metrics.served_share:SERVED_SHARE",
    "rouge": "codixr_bench.metrics.rouge:ROUGE",
    "bleu_coco": "codixr_bench.metrics.bleu_coco:BLEU_COCO",
    "consistency": "codixr_bench.metrics.consistency:CONSISTENCY",
    "anatomy": "codixr_bench.metrics.anatomy:ANATOMY",
    "alignment": "codixr_bench.metrics.alignment:ALIGNMENT",
    "copies_image": "codixr_bench.metrics.copies:COPIES_IMAGE",
    "diversity": "codixr_bench.metrics.diversity:DIVERSITY",
    "diversity_report": "codixr_bench.metrics.report_diversity:DIVERSITY_REPORT",
    "copies_report": "codixr_bench.metrics.copied_reports:COPIES_REPORT",
    "radeval": "codixr_bench.metrics.clinical:RADEVAL",
    "green": "codixr_bench.metrics.clinical:GREEN",
    "inception": "codixr_bench.metrics.distances:INCEPTION",
    "xrv": "codixr_bench.metrics.distances:XRV",
    "xrv_chex": "codixr_bench.metrics.distances:XRV_CHEX",
    "dinov2": "codixr_bench.metrics.distances:DINOV2",
    "rad_dino": "codixr_bench.metrics.distances:RAD_DINO",
    "rad_dino_cgb": "codixr_bench.metrics.distances:RAD_DINO_CGB",
}
"""Name -> module:FAMILY, a ``metric.Family``. Where two know a score, the first answers for it."""
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


def unknown(
    what: str, name: str, known: Iterable[str], more: str = "", where: str = ""
) -> InputError:
    """The error for a name that nobody knows ``where`` it stands: did you mean …?"""
    known = list(known)
    close = closest(name.lower(), known, cutoff=0.5)
    guess = f"; did you mean '{close}'?" if close else f"; known: {', '.join(known)}"
    return InputError(f"unknown {what} '{name}'{where}{guess}{more}")


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
            close = closest(part, dir(found), cutoff=0.8)
            guess = f"; did you mean '{close}'?" if close else ""
            raise InputError(f"{what} '{spec}': '{module_name}' has no '{attribute}'{guess}")
        found = getattr(found, part)
    return found


def load_model(
    spec: str, arguments: Mapping[str, Any] | None = None, called: str | None = None
) -> "GenerativeModel":
    """A model from ``name``, ``name:PATH`` (a checkpoint), or ``package.module:Class``.

    Args:
        spec: which.
        arguments: for the model's class, by name; they stand among its settings.
        called: what results call it, in place of its own name.

    Raises InputError for an unknown name (did you mean …?), a class that isn't one, an argument
    that it does not take, and what the model finds wrong with its checkpoint.
    """
    given = dict(arguments or {})
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
        _check_arguments(build, given, spec)
        model = build(Path(rest), **given) if colon else build(**given)
    elif colon and _can_be_imported(name):
        build = load_object(spec, "model")
        _check_arguments(build, given, spec)
        model = _build(build, spec, given) if callable(build) else build
    elif colon and closest(name.lower(), known, cutoff=0.5) is None:
        raise InputError(
            f"model '{spec}': no module named '{name}' here or installed, and no "
            f"model of that name; known: {', '.join(known)}"
        )
    else:
        raise unknown("model", name, known, more)
    missing = [
        part for part in ("name", "version", "supports", "generate") if part not in dir(model)
    ]
    if missing:
        raise InputError(
            f"model '{spec}' is not a GenerativeModel: it lacks {', '.join(missing)} "
            "(see codixr_bench/model.py)"
        )
    _describe(model, given, called)
    loaded: GenerativeModel = model
    return loaded


@lru_cache(maxsize=64)
def load_family(name: str) -> "Family":
    """The family of metrics called ``name``.

    Raises InputError for an unknown name, and for a plug-in that isn't a family, has another name
    than its entry point, or claims a built-in family's score.
    """
    from codixr_bench.metric import Family

    target = METRICS.get(name) or plugged_in("metrics").get(name)
    if target is None:
        raise unknown("metric", name, names("metrics"))
    found = load_object(target, "metric")
    if not isinstance(found, Family):
        raise InputError(
            f"metric '{name}': '{target}' is not a codixr_bench.metric.Family object "
            "(see CONTRIBUTING, 'Add a metric')"
        )
    if found.name != name:
        raise InputError(
            f"metric '{name}': '{target}' is called '{found.name}'; give its entry point that name"
        )
    if name not in METRICS:
        for score in found.scores:
            if any(load_family(built_in).facts(score) is not None for built_in in METRICS):
                raise InputError(f"metric '{name}': the score '{score}' is built in; rename yours")
    return found


@lru_cache(maxsize=512)
def family_of(score: str) -> "Family | None":
    """The family that answers for a score, by its whole name (``chex_auroc_macro[F]``).

    Built-in families are asked first. None for a score of a metric that is not installed here.
    Loads no torch for built-in scores. Raises InputError for a plug-in that cannot be loaded.
    """
    for name in names("metrics"):
        family = load_family(name)
        if family.facts(score) is not None:
            return family
    return None


def facts_of(score: str) -> "Facts | None":
    """What holds for a score whatever its value; None for one that no family here knows."""
    family = family_of(score)
    return None if family is None else family.facts(score)


def family_warnings(scores: "Sequence[Score]") -> "list[ResultWarning]":
    """What the families of a result's scores warn of (``metric.Family.warnings``)."""
    by_family: dict[Family, dict[str, Score]] = {}
    for score in scores:
        family = family_of(score.name)
        if family is not None:
            by_family.setdefault(family, {})[score.name] = score
    return [one for family, mine in by_family.items() for one in family.warnings(mine)]


def _check_arguments(build: Any, given: Mapping[str, Any], spec: str) -> None:
    """InputError for an argument that the model's class does not take by name."""
    if not given:
        return
    if not callable(build):
        raise InputError(f"model '{spec}' is an object: it takes no --model-arg")
    takes = inspect.signature(build).parameters.values()
    if any(one.kind is one.VAR_KEYWORD for one in takes) and "trust_code" not in given:
        return
    known = [one.name for one in takes if one.kind is not one.POSITIONAL_ONLY]
    known = [name for name in known if name != "checkpoint"]
    if "trust_code" in given and "trust_code" not in known:
        raise InputError(f"--trust-code: model '{spec}' brings no code along: leave it out")
    known = [name for name in known if name != "trust_code" or name in given]
    for name in given:
        if name not in known:
            raise unknown("argument", name, known or ("none",), where=f" of model '{spec}'")


def _describe(model: Any, given: Mapping[str, Any], called: str | None) -> None:
    """Settings that hold the arguments, and the name that was asked for."""
    settings = dict(getattr(model, "settings", None) or {})
    if missing := {name: value for name, value in given.items() if name not in settings}:
        model.settings = settings | missing
    if called is not None:
        model.name = called


def _build(build: Any, spec: str, given: Mapping[str, Any]) -> Any:
    try:
        return build(**given)
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

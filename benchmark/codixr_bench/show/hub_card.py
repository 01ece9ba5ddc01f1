"""Results as a model card of the Hugging Face hub has them, and back, with nothing lost.

The numbers stand in the card's ``model-index`` by huggingface_hub's own ``EvalResult``: one group a
task of a track, one metric a score; what the format has no field for stands in the arguments of the
metric and the data set. Its writer drops every None: what was None is None again where it is
missing. ``.eval_results/*.yaml``, for a benchmark that is a data set of the hub, holds names,
values and a link only.
"""

from collections.abc import Sequence
from typing import Any

from huggingface_hub import EvalResult, EvalResultEntry, ModelCard, ModelCardData

from codixr.errors import InputError
from codixr.modality import Modality
from codixr_bench.result import Result
from codixr_bench.result_files import WrongFieldsError
from codixr_bench.score import Score
from codixr_bench.show.number import number
from codixr_bench.task import Task

BEGIN, END = "<!-- codixr-bench: begin -->", "<!-- codixr-bench: end -->"
SOURCE = "codixr-bench"
_OWN = "codixr_result"
_SETTINGS = "generation_order"
"""Names of the settings: those whose value was None are missing otherwise."""


def eval_results(results: Sequence[Result]) -> list[EvalResult]:
    """Every score of every result; those without a value stand in the data set's arguments."""
    found = []
    for result in results:
        content = result.content()
        scores = {score["name"]: score for score in content.pop("scores")}
        content[_SETTINGS] = list(content["generation"])
        content["order"] = list(scores)
        content["not_scored"] = [s for s in scores.values() if s["value"] is None]
        valued = [score for score in result.scores if score.value is not None]
        if not valued:
            raise InputError(f"no score of '{result.model.name}' on {result.task} has a value")
        for score in valued:
            fields = scores[score.name]
            arguments = {k: v for k, v in fields.items() if k not in ("name", "value")}
            found.append(
                EvalResult(
                    task_type=hub_task(Task.parse(result.task)),
                    task_name=result.task,
                    dataset_type=f"codixr-{result.track.name}",
                    dataset_name=f"{result.track.name} (codixr-bench)",
                    dataset_config=result.task,
                    dataset_split=result.track.split,
                    dataset_revision=result.track.fingerprint,
                    dataset_args={_OWN: content},
                    metric_type=score.name,
                    metric_name=score.name,
                    metric_value=score.value,
                    metric_args=arguments,
                )
            )
    return found


def results_of(found: Sequence[EvalResult]) -> list[Result]:
    """The results that ``eval_results`` wrote, from what huggingface_hub's parser gives.

    Evaluations by other programs are passed over. InputError for one of ours that was edited so
    that it is no result any more.
    """
    groups: dict[tuple[Any, ...], list[EvalResult]] = {}
    for one in found:
        if _is_ours(one):
            groups.setdefault(one.unique_identifier, []).append(one)
    return [_result(group) for group in groups.values()]


def card(results: Sequence[Result], existing: ModelCard | None = None) -> ModelCard:
    """A model card with the results; of an existing one, the rest stays as it is."""
    fresh = eval_results(results)
    section = f"{BEGIN}\n{_section(results)}\n{END}"
    if existing is None:
        data = ModelCardData(
            model_name=results[0].model.name, eval_results=fresh, tags=["chest-x-ray", SOURCE]
        )
        return ModelCard(f"---\n{data.to_yaml()}\n---\n\n# {results[0].model.name}\n\n{section}\n")
    assert isinstance(existing.data, ModelCardData)
    replaced = {one.unique_identifier for one in fresh}
    before = existing.data.eval_results or []
    kept = [one for one in before if one.unique_identifier not in replaced]
    existing.data.eval_results = [*kept, *fresh]
    existing.data.model_name = existing.data.model_name or results[0].model.name
    text = existing.text
    if BEGIN in text and END in text:
        head, rest = text.split(BEGIN, 1)
        existing.text = f"{head}{section}{rest.split(END, 1)[1]}"
    else:
        existing.text = f"{text.rstrip()}\n\n{section}\n"
    return existing


def entries(results: Sequence[Result], dataset: str, url: str | None) -> list[EvalResultEntry]:
    """The scores for ``.eval_results``: of the benchmark ``dataset``, a hub's name."""
    return [
        EvalResultEntry(
            dataset_id=dataset,
            task_id=f"{result.task}:{score.name}",
            value=score.value,
            source_url=url,
            source_name=SOURCE if url is not None else None,
            notes=f"{result.track.name} {result.track.split}, n {score.n}, {score.signature}",
        )
        for result in results
        for score in result.scores
        if score.value is not None
    ]


def hub_task(task: Task) -> str:
    """The hub's name of a kind of task, e.g. ``image-to-text``."""

    def kind(modalities: Sequence[Modality]) -> str:
        images = {modality.is_image for modality in modalities}
        return "any" if len(images) == 2 else "image" if images == {True} else "text"

    into, out = kind(task.inputs), kind(task.outputs)
    if "any" not in (into, out):
        return f"{into}-to-{out}"
    return f"image-text-to-{out}" if out in ("text", "image") else "any-to-any"


def _section(results: Sequence[Result]) -> str:
    lines = ["## Evaluation"]
    for result in results:
        track = result.track
        lines += [
            "",
            f"{result.task} on {track.name} {track.version}, {track.split}, n = {track.n:,} "
            f"(codixr-bench {result.code.version}):",
            "",
            "| score | value | 95 % interval | n |",
            "|---|---:|---:|---:|",
        ]
        lines += [_row(score) for score in result.scores]
        lines += ["", *(f"- {one.told}" for one in result.warnings)]
    return "\n".join(lines).rstrip()


def _row(score: Score) -> str:
    arrow = "↑" if score.higher_is_better else "↓"
    low_high = "" if score.ci95 is None else " – ".join(number(score.name, v) for v in score.ci95)
    return (
        f"| {score.name} {arrow} | {number(score.name, score.value)} | {low_high} | {score.n:,} |"
    )


def _is_ours(one: EvalResult) -> bool:
    return isinstance(one.dataset_args, dict) and _OWN in one.dataset_args


def _result(group: Sequence[EvalResult]) -> Result:
    content = dict((group[0].dataset_args or {})[_OWN])
    what = f"the card's {group[0].dataset_config} on {group[0].dataset_name}"
    try:
        settings = content["generation"]
        content["generation"] = {name: settings.get(name) for name in content.pop(_SETTINGS)}
        scores = {s["name"]: s for s in content.pop("not_scored")}
        for one in group:
            scores[one.metric_type] = {
                "name": one.metric_type,
                "value": one.metric_value,
                **(one.metric_args or {}),
            }
        content["scores"] = [scores[name] for name in content.pop("order")]
    except (KeyError, TypeError) as error:
        raise InputError(f"{what} was edited: {error} is missing") from error
    return _with_nulls(content, what)


def _with_nulls(content: dict[str, Any], what: str) -> Result:
    """A result from a content without its Nones; InputError where more than they is missing."""
    try:
        return Result.from_raw(content, what)
    except WrongFieldsError as error:
        missing = [detail["loc"] for detail in error.details if detail["type"] == "missing"]
        if not missing:
            raise InputError(f"{what} was edited: it is no result any more") from error
    for path in missing:
        at: Any = content
        for part in path[:-1]:
            at = at[part]
        at[path[-1]] = None
    try:
        return Result.from_raw(content, what)
    except WrongFieldsError as error:
        raise InputError(f"{what} was edited: it is no result any more") from error

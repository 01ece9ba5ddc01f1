"""``codixr-bench export hub|wandb|mlflow RESULT…``: results where others keep theirs."""

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from codixr import messages
from codixr.arguments import add_json, output_folder
from codixr.atomic import make_folder, write_atomically
from codixr.errors import InputError
from codixr.extras import missing_extra, need
from codixr_bench.result import Result, load_results
from codixr_bench.result_files import result_files

PROGRAM = "codixr-bench"
CARD = "README.md"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``export``."""
    parser.add_argument(
        "place",
        choices=tuple(_PLACES),
        metavar="hub|wandb|mlflow",
        help="hub: a model card's model-index and section, for the Hugging Face hub; wandb and "
        "mlflow: a run a result (extras codixr[wandb], codixr[mlflow])",
    )
    parser.add_argument(
        "results", nargs="+", type=Path, metavar="RESULT", help="a result.json, or folders of runs"
    )
    parser.add_argument(
        "--to",
        type=output_folder,
        metavar="DIR",
        help="hub: the model's folder, whose README.md is added to (default: hub)",
    )
    parser.add_argument(
        "--dataset",
        metavar="ORG/NAME",
        help="hub: the benchmark's data set there; writes .eval_results/codixr.yaml too",
    )
    parser.add_argument(
        "--url", metavar="URL", help="hub: where the results can be read, for .eval_results"
    )
    parser.add_argument(
        "--project", metavar="NAME", help="wandb's project, mlflow's experiment (default: codixr)"
    )
    add_json(parser)


def main(parsed: argparse.Namespace) -> int:
    """Export, and print the files or runs that were made; exit code 0."""
    _refuse(parsed)
    results = [r for path in parsed.results for f in result_files(path) for r in load_results(f)]
    names = sorted({result.model.name for result in results})
    if parsed.place == "hub" and len(names) > 1:
        raise InputError(f"a model card is of one model, these are of {', '.join(names)}")
    with _in_one_line(parsed.place):
        made = _PLACES[parsed.place](results, parsed)
    print(json.dumps({"made": made}, indent=2) if parsed.json else "\n".join(made))
    return 0


def _refuse(parsed: argparse.Namespace) -> None:
    """InputError for an option that would have no effect."""
    given = {"--to": parsed.to, "--dataset": parsed.dataset, "--url": parsed.url}
    wrong = [name for name, value in given.items() if value is not None and parsed.place != "hub"]
    if parsed.place == "hub" and parsed.project is not None:
        wrong.append("--project")
    if parsed.place == "hub" and parsed.url is not None and parsed.dataset is None:
        wrong.append("--url without --dataset")
    if wrong:
        raise InputError(f"{', '.join(wrong)}: doesn't go with export {parsed.place}")
    if parsed.dataset is not None and parsed.dataset.count("/") != 1:
        raise InputError(f"--dataset {parsed.dataset}: write the hub's name, ORG/NAME")


def _hub(results: Sequence[Result], parsed: argparse.Namespace) -> list[str]:
    from huggingface_hub import ModelCard, eval_result_entries_to_yaml

    from codixr_bench.show import hub_card

    folder: Path = parsed.to or Path("hub")
    path = folder / CARD
    existing = None
    if path.is_file():
        try:
            existing = ModelCard.load(path)
        except (ValueError, OSError) as error:
            raise InputError(f"'{path}' is no model card: {error}") from error
    card = hub_card.card(results, existing)
    make_folder(folder)
    write_atomically(path, str(card).encode())
    made = [str(path)]
    if parsed.dataset is not None:
        import yaml

        found = eval_result_entries_to_yaml(hub_card.entries(results, parsed.dataset, parsed.url))
        listed = folder / ".eval_results" / "codixr.yaml"
        make_folder(listed.parent)
        text = yaml.safe_dump(found, sort_keys=False, allow_unicode=True)
        write_atomically(listed, text.encode())
        made.append(str(listed))
    messages.say(PROGRAM, f"upload it: hf upload ORG/MODEL {folder}")
    return made


def _wandb(results: Sequence[Result], parsed: argparse.Namespace) -> list[str]:
    wandb = need("wandb", "wandb", "export wandb")
    made = []
    for result in results:
        run = wandb.init(
            project=parsed.project or "codixr",
            name=_title(result),
            job_type="evaluation",
            config=_facts(result),
        )
        run.summary.update(_numbers(result))
        run.finish()
        made.append(f"wandb run {run.id}: {_title(result)}")
    return made


def _mlflow(results: Sequence[Result], parsed: argparse.Namespace) -> list[str]:
    mlflow = need("mlflow", "mlflow", "export mlflow")
    mlflow.set_experiment(parsed.project or "codixr")
    made = []
    for result in results:
        with mlflow.start_run(run_name=_title(result)) as run:
            mlflow.log_params(_facts(result))
            mlflow.log_metrics(_numbers(result))
            mlflow.log_text(result.to_json().decode(), "result.json")
        made.append(f"mlflow run {run.info.run_id}: {_title(result)}")
    return made


@contextmanager
def _in_one_line(library: str) -> Iterator[None]:
    """What ``library`` refuses, as no key or no store of its, is bad input."""
    try:
        yield
    except ModuleNotFoundError as error:
        if missing_extra(error, PROGRAM) is not None:
            raise  # a library of the core: the program says so
        raise InputError(
            f"export {library} needs {error.name}: pip install 'codixr[{library}]'"
        ) from error
    except Exception as error:
        if type(error).__module__.partition(".")[0] != library:
            raise
        raise InputError(f"{library} refuses: {' '.join(str(error).split())[:400]}") from error


_PLACES: dict[str, Callable[[Sequence[Result], argparse.Namespace], list[str]]] = {
    "hub": _hub,
    "wandb": _wandb,
    "mlflow": _mlflow,
}


def _title(result: Result) -> str:
    return f"{result.model.name} {result.task} {result.track.name}"


def _facts(result: Result) -> dict[str, Any]:
    """What the numbers are of, as names and short values."""
    track = {f"track/{k}": v for k, v in result.track.model_dump(mode="json").items()}
    model = {f"model/{k}": v for k, v in result.model.model_dump(mode="json").items()}
    settings = {f"generation/{k}": v for k, v in result.generation.items()}
    code = {"code/version": result.code.version, "code/commit": result.code.commit}
    return {"task": result.task, **track, **model, **settings, **code}


def _numbers(result: Result) -> dict[str, float]:
    """Every score that has a value, the ends of its interval, and its classes' values.

    Both libraries make groups at a slash, and refuse brackets.
    """
    found: dict[str, float] = {}
    for score in result.scores:
        if score.value is None:
            continue
        name = score.name.replace("[", "/").replace("]", "")
        found[name] = score.value
        if score.ci95 is not None:
            found[f"{name}/low"], found[f"{name}/high"] = score.ci95
        for label, one in score.per_class.items():
            if one.value is not None:
                found[f"{name}/{label}"] = one.value
    return found

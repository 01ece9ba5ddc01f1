"""The files of a bundle that follow from the others: written and checked by the same functions.

Tables, signatures, environments, commands and the README are made from the results, the sums and
the manifest alone. Whoever checks a bundle makes them again and compares the bytes. No torch is
imported.
"""

from collections.abc import Mapping, Sequence

from codixr.errors import InputError
from codixr_bench.paper.formats import markdown
from codixr_bench.paper.tables import NAMES, paper_table
from codixr_bench.reproduce.manifest import Bundle, json_bytes
from codixr_bench.result import Result

OTHER_DATA = "The paper's rows are of its own data: other data, not comparable."
Results = Mapping[str, Result]
"""Path in the bundle -> result."""


def derived_files(bundle: Bundle, results: Results) -> dict[str, bytes]:
    """Path -> content of every file that follows from the results and the manifest."""
    ours = [results[path] for path in sorted(results)]
    found = {
        "README.md": _readme(bundle, ours),
        "commands.sh": _commands(bundle),
        "environment.json": json_bytes(_environments(results)),
        "signatures.json": json_bytes(_signatures(ours)),
    }
    for name in NAMES:
        try:
            blocks = paper_table(name, ours, intervals=True)
        except InputError:
            continue  # none of the tasks is one of this table's
        caption = f"Table {name}. {OTHER_DATA}"
        found[f"tables/{name}.md"] = (markdown(blocks, caption) + "\n").encode()
    return found


def _environments(results: Results) -> list[dict[str, object]]:
    """What ran where: mostly one, several where a run went on on another machine."""
    found: list[dict[str, object]] = []
    for path in sorted(results):
        result = results[path]
        what = {
            "environment": result.environment.model_dump(mode="json"),
            "code": result.code.model_dump(mode="json"),
        }
        same = next((one for one in found if {**one, "results": 0} == {**what, "results": 0}), None)
        if same is None:
            found.append({**what, "results": [path]})
        else:
            same["results"] = [*list(same["results"]), path]  # type: ignore[call-overload]
    return found


def _signatures(results: Sequence[Result]) -> dict[str, dict[str, list[str]]]:
    """Task -> score -> its signatures: one where all models were scored alike."""
    found: dict[str, dict[str, list[str]]] = {}
    for result in results:
        for score in result.scores:
            of = found.setdefault(result.task, {}).setdefault(score.name, [])
            of += [score.signature] if score.signature not in of else []
    return {task: dict(sorted(of.items())) for task, of in sorted(found.items())}


def _commands(bundle: Bundle) -> bytes:
    specs = ",".join(model.spec for model in bundle.models)
    words = ["codixr-bench", "reproduce", bundle.track.name, "--models", specs, *bundle.options]
    lines = [
        "# What made this bundle. A model's path stands here by its last name only.",
        " ".join(_quoted(word) for word in words),
        "# The check, without data; the sha256 of the whole is what its maker tells you.",
        "codixr-bench verify . --root SHA256",
    ]
    return ("\n".join(lines) + "\n").encode()


def _quoted(word: str) -> str:
    safe = all(character.isalnum() or character in "-_./:,@=+" for character in word)
    return word if word and safe else "'" + word.replace("'", "'\\''") + "'"


def _readme(bundle: Bundle, results: Sequence[Result]) -> bytes:
    track = bundle.track
    of = "simulated studies" if bundle.simulated else "studies of patients"
    names = ", ".join(model.name for model in bundle.models)
    lines = [
        f"# {track.name}, {track.split}: {len(results)} results",
        "",
        f"Models: {names}. Track version {track.version}, {track.n:,} {of}.",
        "",
        "| file | holds |",
        "|---|---|",
        "| `bundle.json` | every other file's bytes and sha256; its own sha256 stands for all |",
        "| `results/MODEL/TASK.json` | scores, counts, intervals, settings; without times |",
        "| `sums/MODEL/TASK.json` | sums over all studies, which scores and errors follow from |",
        "| `tables/` | Tables II to V beside the paper's rows |",
        "| `signatures.json` | how each score was made |",
        "| `lock.json` | files that were fetched, with their sha256; the prepared data's |",
        "| `environment.json` | interpreter, platform, libraries, code |",
        "| `commands.sh` | the command that made it |",
        "",
        OTHER_DATA,
        "",
        "No picture, text, identifier or number of a single study is in it. Check it with",
        "`codixr-bench verify` (docs/fetch.md says what that finds, and what it can't).",
    ]
    return ("\n".join(lines) + "\n").encode()

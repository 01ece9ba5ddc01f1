"""``codixr-bench readers make RUN | score KEY ANSWERS…``: a blind reader study in a box."""

import argparse
import base64
import io
import json
import random
import secrets
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codixr import messages
from codixr.arguments import add_json, at_least, output_folder, positive
from codixr.atomic import make_folder, write_atomically
from codixr.errors import InputError
from codixr.modality import Modality
from codixr_bench.model import Content

if TYPE_CHECKING:
    from codixr_bench.runs.stored_studies import StoredStudies

PROGRAM = "codixr-bench"
PAGE, KEY = "page.html", "key.json"
PAIRS = 40


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``readers``."""
    parser.add_argument(
        "step",
        choices=("make", "score"),
        metavar="make|score",
        help="make: a page of blinded pairs from a run, and its key; score: readers' answers",
    )
    parser.add_argument(
        "files",
        nargs="+",
        type=Path,
        metavar="FILE",
        help="make: the run's folder; score: key.json, then the files that readers saved",
    )
    parser.add_argument("--to", type=output_folder, metavar="DIR", help="make: a new folder")
    parser.add_argument(
        "--pairs",
        type=positive,
        metavar="N",
        help=f"make: so many, each shown twice (default: {PAIRS})",
    )
    parser.add_argument(
        "--output", choices=("F", "L", "T"), help="make: of several outputs, which one to show"
    )
    parser.add_argument(
        "--seed", type=at_least(0), metavar="N", help="make: which pairs, and sides; else by chance"
    )
    parser.add_argument("--data", type=Path, metavar="DIR", help="make: where the track's data are")
    parser.add_argument(
        "--show-content", action="store_true", help="make: show studies of real patients too"
    )
    add_json(parser)


def main(parsed: argparse.Namespace) -> int:
    """Make the study or score it; exit code 0."""
    return _make(parsed) if parsed.step == "make" else _score(parsed)


def _make(parsed: argparse.Namespace) -> int:
    from codixr_bench.comparing.readers import Key, items
    from codixr_bench.runs.stored_studies import StoredStudies
    from codixr_bench.show.page import render

    if parsed.to is None or len(parsed.files) != 1:
        raise InputError("readers make RUN --to DIR: one run, and a new folder")
    folder: Path = parsed.to
    if folder.exists():
        raise InputError(f"--to '{folder}' is there already: give a new folder")
    run = StoredStudies.open(parsed.files[0], parsed.data)
    run.refuse_to_show(asked=parsed.show_content)
    output = _output(run, parsed.output)
    pairs = parsed.pairs or PAIRS
    seed = secrets.randbelow(1 << 62) if parsed.seed is None else parsed.seed
    shown = _pairs(run, output, pairs, seed)
    key = Key(
        study=secrets.token_hex(8),
        task=run.task.name,
        track=run.track.name,
        model=run.record.model,
        output=output.value,
        items=items(pairs, seed),
    )
    page = render(
        "readers.html",
        title="Which one is real?",
        study=key.study,
        pairs=pairs,
        items=[_sides(*shown[item.pair], item.real) for item in key.items],
    )
    make_folder(folder)
    if not run.track.simulated:
        folder.chmod(0o700)
        write_atomically(folder / ".gitignore", b"*\n")
    text = json.dumps(key.model_dump(mode="json"), indent=1) + "\n"
    write_atomically(folder / KEY, text.encode())
    write_atomically(folder / PAGE, page)
    messages.say(PROGRAM, f"give {PAGE} to the readers, and keep {KEY}")
    made = [str(folder / name) for name in (PAGE, KEY)]
    print(json.dumps({"files": made}, indent=2) if parsed.json else "\n".join(made))
    return 0


def _output(run: "StoredStudies", asked: str | None) -> Modality:
    outputs = run.task.outputs
    if asked is None:
        if len(outputs) > 1:
            listed = ", ".join(outputs)
            raise InputError(f"the run made {listed}: say which one to show, --output {outputs[0]}")
        return outputs[0]
    if Modality(asked) not in outputs:
        raise InputError(f"--output {asked}: the run made {', '.join(outputs)}")
    return Modality(asked)


def _pairs(
    run: "StoredStudies", output: Modality, wanted: int, seed: int
) -> list[tuple[Content, Content]]:
    """(real, generated) of studies drawn by chance, but for those where both are the same."""
    positions = list(range(run.record.n))
    random.Random(f"studies {seed}").shuffle(positions)
    found: list[tuple[Content, Content]] = []
    while positions and len(found) < wanted:
        position = [positions.pop()]
        (study,), (sample,) = run.studies(position), run.samples(position)
        real = study.get(output)
        if real is not None and _shown(real) != _shown(sample[output]):
            found.append((real, sample[output]))
    if len(found) < wanted:
        raise InputError(
            f"--pairs {wanted}: the run has {len(found)} studies whose real and generated output "
            "differ"
        )
    return found


def _sides(real: Content, made: Content, at: str) -> dict[str, dict[str, str]]:
    """What stands at A and at B, where the real one stands ``at`` one of them."""
    return {at: _shown(real), "B" if at == "A" else "A": _shown(made)}


def _shown(content: Content) -> dict[str, str]:
    """Both of a pair alike: 8 bits and no metadata, or words with single spaces."""
    if isinstance(content, str):
        return {"picture": "", "text": " ".join(content.split())}
    import numpy as np
    from PIL import Image

    sink = io.BytesIO()
    levels = np.rint(content[0] * 255).clip(0, 255).astype(np.uint8)
    Image.fromarray(levels).save(sink, "PNG")
    return {"picture": base64.b64encode(sink.getvalue()).decode(), "text": ""}


def _score(parsed: argparse.Namespace) -> int:
    from codixr_bench.comparing.readers import Answers, Key, Share, score
    from codixr_bench.result_files import parse, read_bytes, read_strict

    given = {
        "--to": parsed.to, "--pairs": parsed.pairs, "--output": parsed.output,
        "--seed": parsed.seed, "--data": parsed.data, "--show-content": parsed.show_content or None,
    }  # fmt: skip
    if wrong := [name for name, value in given.items() if value is not None]:
        raise InputError(f"{', '.join(wrong)}: of readers make, not of readers score")
    if len(parsed.files) < 2:
        raise InputError("readers score KEY ANSWERS…: the key, and a file a reader")

    def read(kind: type[Any], path: Path) -> Any:
        what = f"'{path}'"
        return parse(kind, read_strict(read_bytes(path, what), what), what)

    key = read(Key, parsed.files[0])
    shares: Sequence[Share] = score(key, [read(Answers, path) for path in parsed.files[1:]])
    if parsed.json:
        print(json.dumps([asdict(share) for share in shares], indent=2))
        return 0
    print(f"{key.task} · {key.model} · {key.track} · {len(key.items) // 2} pairs, shown twice")
    for share in shares:
        value = "–" if share.value is None else f"{share.value:.3f}"
        ends = "" if share.ci95 is None else f"{share.ci95[0]:.3f} – {share.ci95[1]:.3f}"
        print(f"{share.who:<14} {share.what:<18} {value:>6}  {ends:<15} n {share.n}")
    print(
        "accuracy: the share of real ones found; 0.5 is chance. kappa: 0 is chance, 1 always alike"
    )
    return 0

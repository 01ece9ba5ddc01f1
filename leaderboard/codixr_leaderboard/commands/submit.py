"""``codixr-bench submit FILE…``: check results, and put them where the leaderboard reads them."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from codixr import messages
from codixr.arguments import add_json, output_folder
from codixr_bench.result_files import STATISTICS_NAME
from codixr_leaderboard.accepted import tracks
from codixr_leaderboard.sending import submit
from codixr_leaderboard.submission import RESULTS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``submit``."""
    parser.add_argument(
        "files", nargs="+", type=Path, metavar="FILE", help="a result.json, or a run's folder"
    )
    parser.add_argument("--model", metavar="NAME", help="the name to show; default: the results'")
    parser.add_argument(
        "--owner", metavar="ACCOUNT", help="whose row it is: the account that opens the request"
    )
    parser.add_argument(
        "--hub", metavar="OWNER/NAME@REVISION",
        help="where the model is: a repository of the Hugging Face hub at a commit",
    )  # fmt: skip
    parser.add_argument(
        "--replace", action="store_true", help="put results in the place of your earlier ones"
    )
    parser.add_argument(
        "--to", type=output_folder, default=RESULTS, metavar="DIR", help=f"default: {RESULTS}"
    )
    add_json(parser)


def main(parsed: argparse.Namespace) -> int:
    """Check and merge results; prints the files that hold them now."""
    written = submit(
        parsed.files, parsed.to, model=parsed.model, owner=parsed.owner, hub=parsed.hub,
        replace=parsed.replace,
    )  # fmt: skip
    if parsed.json:
        print(json.dumps({"files": [str(path) for path in written]}, indent=2))
    else:
        for path in written:
            print(path)
    if _lacks_statistics(written):
        messages.note(
            "codixr-bench",
            f"no '{STATISTICS_NAME}' beside the results: on simulated tracks only rows with theirs "
            "are ranked",
        )
    if parsed.owner is None:
        messages.note(
            "codixr-bench", "no --owner: a pull request needs one, and only it can change the row"
        )
    if (where := _no_clone(parsed.to)) is not None:
        messages.note("codixr-bench", where)
        messages.say("codixr-bench", "checked and written")
    else:
        messages.say("codixr-bench", "checked and written; commit it and open a pull request")
    return 0


def _lacks_statistics(written: Sequence[Path]) -> bool:
    """Whether a row of a simulated track was written without any statistics."""
    with_them = {path.parent for path in written if path.suffix == ".parquet"}
    return any(
        path.suffix == ".json"
        and tracks()[path.parent.name].simulated
        and path.with_suffix("") not in with_them
        for path in written
    )


def _no_clone(root: Path) -> str | None:
    """Where the written files have to go, unless they lie in a clone of the project."""
    if (root.parent / "codixr_leaderboard").is_dir():
        return None
    return (
        f"'{root.absolute()}' is not in a clone of codixr's repository: copy its files to "
        f"{RESULTS}/ there, or give that folder by --to, and open a pull request"
    )

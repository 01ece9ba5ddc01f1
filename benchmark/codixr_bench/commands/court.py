"""``codixr-bench court``: what does each metric see, and what is it blind to?"""

import argparse
import json
from pathlib import Path

from codixr import messages
from codixr.arguments import add_json, positive
from codixr.errors import InputError
from codixr.workers import cores

_WORTH = 100
"""Studies from which on starting processes is worth it."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``court``."""
    parser.add_argument("--track", default="phantom", metavar="TRACK", help="default: phantom")
    parser.add_argument("--data", type=Path, metavar="DIR", help="where the track's data are")
    parser.add_argument(
        "--limit", type=positive, default=200, metavar="N", help="studies (default: 200)"
    )
    parser.add_argument(
        "--metrics",
        metavar="NAMES",
        help="try these instead of the track's, comma-separated: plugged-in ones too",
    )
    parser.add_argument(
        "--workers",
        type=positive,
        metavar="N",
        help="processes that score (default: one a core, one alone under 100 studies)",
    )
    shown = parser.add_mutually_exclusive_group()
    shown.add_argument("--markdown", action="store_true", help="the tables of docs/court.md")
    add_json(shown)


def main(parsed: argparse.Namespace) -> int:
    """Print the verdicts; exit code 1 when a metric lost a sensitivity that it declares."""
    from codixr_bench.comparing.court import try_metrics
    from codixr_bench.comparing.verdicts import as_json, as_markdown, as_text
    from codixr_bench.track import Track

    wanted = tuple(name.strip() for name in (parsed.metrics or "").split(",") if name.strip())
    if parsed.metrics is not None and not wanted:
        raise InputError("--metrics names none; leave it out for the track's own")
    track = Track.load(parsed.track).with_data(parsed.data)
    workers = parsed.workers or (cores() if parsed.limit >= _WORTH else 1)
    trial = try_metrics(track, wanted, n=parsed.limit, data_dir=parsed.data, workers=workers)
    if parsed.json:
        print(json.dumps(as_json(trial), indent=2))
    else:
        print("\n".join(as_markdown(trial) if parsed.markdown else as_text(trial)))
    lost = list(trial.lost())
    for score, fault in lost:
        messages.failure("codixr-bench", f"{score} declares to see '{fault}', and doesn't")
    return int(bool(lost))

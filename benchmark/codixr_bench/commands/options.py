"""What ``codixr-bench`` may be given: its commands, their options, and the kinds of numbers."""

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NoReturn

from codixr.arguments import at_least, positive, share
from codixr.errors import InputError
from codixr_bench.commands.label import add_arguments as add_label_arguments

Command = Callable[[argparse.Namespace], int]
"""Runs a command on what was parsed; returns the exit code."""

_EXAMPLES = """\
examples:
  codixr-bench run --task 'L+T->F' --model codixr
  codixr-bench run --task paper --model codixr --limit 32
  codixr-bench score --samples my_pictures --task 'L+T->F'

Quote the task: an unquoted > is a redirection to your shell.
"""
_RESULT = "a run's folder, its result.json, or a task group's folder"
_ONE_RESULT = "a result.json, or a run's folder"


class _Parser(argparse.ArgumentParser):
    """One line for a wrong argument, as for any other bad input."""

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message} (see `{self.prog} --help`)")


def make_parser(commands: Mapping[str, Command], nothing: Command) -> argparse.ArgumentParser:
    """The parser of ``codixr-bench``; what it parsed has the command's function in ``command``.

    ``nothing`` is called where no command was given.
    """
    parser = _Parser(
        prog="codixr-bench",
        description="Evaluate any-to-any generation of chest X-rays and reports (CoDi_XR).",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="store_true", help="print the version and exit")
    parser.set_defaults(command=nothing)
    subparsers = parser.add_subparsers(metavar="COMMAND", parser_class=_Parser)

    def add(name: str, what: str) -> argparse.ArgumentParser:
        sub = subparsers.add_parser(name, help=what, description=what, allow_abbrev=False)
        sub.set_defaults(command=commands[name])
        return sub

    run = add("run", "generate samples and score them")
    _add_task(run, required=True)
    _add_model(run, required=True)
    _add_data(run)
    _add_generation(run)
    _add_scoring(run)
    _add_out(run)
    generate = add("generate", "only make the samples")
    _add_task(generate, required=True)
    _add_model(generate, required=True)
    _add_data(generate)
    _add_generation(generate)
    _add_out(generate)
    score = add("score", "score samples: a run's, or a folder another program made")
    score.add_argument(
        "--samples",
        type=Path,
        required=True,
        metavar="DIR",
        help="a run's folder, or pictures F/00000.png or 00000_F.png and reports.csv "
        "(position,report); the number is the position in the split, from 0",
    )
    _add_task(score, required=False)
    score.add_argument("--model", metavar="NAME", help="what to call the maker of the samples")
    _add_data(score)
    _add_scoring(score)
    _add_out(score, overwrite=False)
    fid = add("fid", "the distance between two sets of pictures, outside of any track")
    fid.add_argument("a", type=Path, metavar="A", help="what was made: a folder of pictures, ...")
    fid.add_argument(
        "b",
        type=Path,
        metavar="B",
        help="what is real: a folder of pictures, a run or Parquet of samples, or statistics "
        "(.npz with mu and sigma)",
    )
    fid.add_argument(
        "--backbone",
        required=True,
        metavar="NAME",
        help="inception, xrv, phantom, another of `codixr-bench backbones`, or a file of weights",
    )
    fid.add_argument("--weights", type=Path, metavar="FILE", help="the backbone's weights")
    fid.add_argument(
        "--allow-unpinned",
        action="store_true",
        help="use other weights than the published ones; the signature says so",
    )
    fid.add_argument(
        "--metrics",
        default="fid",
        metavar="A,B",
        help="fid (default), kid, precision, recall, density, coverage, fid_inf",
    )
    fid.add_argument(
        "--view",
        choices=("F", "L"),
        default="F",
        help="of samples that hold both views, and of the phantom's backbone (default: F)",
    )
    _add_json(fid)
    label = add("label", "CheXpert's fourteen labels of reports, as the original's")
    add_label_arguments(label)
    compare = add("compare", "the paired difference of every score of two results")
    for side in ("a", "b"):
        compare.add_argument(side, type=Path, metavar=side.upper(), help=_RESULT)
    _add_scores(compare)
    _add_json(compare)
    check = add("check", "is a checkpoint worse than another? exit code 0, 1, or 2")
    check.add_argument("new", type=Path, metavar="NEW", help=_RESULT)
    check.add_argument("--against", type=Path, required=True, metavar="OLD", help=_RESULT)
    check.add_argument(
        "--margin",
        action="append",
        metavar="SCORE=LOSS",
        help="a loss to accept, e.g. auroc_macro=0.01 or auroc_macro=1%%; repeatable",
    )
    _add_scores(check)
    check.add_argument(
        "--format",
        choices=("text", "json", "junit", "github"),
        default="text",
        help="default: text",
    )
    check.add_argument(
        "--loss",
        type=share,
        default=0.05,
        metavar="SHARE",
        help="the relative loss that the needed n is told for (default: 0.05)",
    )
    check.add_argument(
        "--power",
        type=share,
        default=0.8,
        metavar="SHARE",
        help="the chance to find it that the needed n is told for (default: 0.8)",
    )
    table = add("table", "a table of the paper: its printed rows, and your results")
    table.add_argument("table", choices=("II", "III", "IV", "V"), metavar="II|III|IV|V")
    table.add_argument(
        "results", nargs="*", type=Path, metavar="RESULT", help="a result.json, or a folder of runs"
    )
    table.add_argument(
        "--format",
        choices=("terminal", "markdown", "latex", "csv"),
        default="terminal",
        help="default: terminal; latex needs the package booktabs",
    )
    submit = add("submit", "check results, and put them where the leaderboard reads them")
    submit.add_argument("files", nargs="+", type=Path, metavar="FILE", help=_ONE_RESULT)
    submit.add_argument("--model", metavar="NAME", help="the name to show; default: the results'")
    submit.add_argument(
        "--to",
        type=Path,
        default=Path("leaderboard/results"),
        metavar="DIR",
        help="default: leaderboard/results",
    )
    verify = add("verify", "check results as the leaderboard does; exit code 0 or 1")
    verify.add_argument("paths", nargs="+", type=Path, metavar="DIR|FILE", help="what to check")
    plot = add("plot", "draw one score of several results, with intervals, as SVG")
    plot.add_argument("kind", choices=("intervals", "versions"), metavar="KIND",
                      help="intervals: best first; versions: in the order given")  # fmt: skip
    plot.add_argument("files", nargs="+", type=Path, metavar="FILE", help=_ONE_RESULT)
    plot.add_argument("--score", metavar="NAME", help="default: the one that ranks the task")
    plot.add_argument("--to", type=Path, required=True, metavar="SVG", help="the file to write")
    show = add("show", "print a result file: scores, settings, signatures")
    show.add_argument("file", type=Path, metavar="FILE", help=_ONE_RESULT)
    _add_json(add("reconcile", "the paper's averages that don't follow from its cells"))
    new_model = add("new-model", "write a small package with a model of your own")
    new_model.add_argument("name", metavar="NAME", help="e.g. my_model")
    new_model.add_argument("--to", type=Path, metavar="DIR", help="default: ./NAME")
    _add_json(add("tasks", "list the tasks and their groups"))
    _add_json(add("models", "list the models"))
    metrics = add("metrics", "list the metrics")
    metrics.add_argument("--track", default="phantom", metavar="TRACK", help="default: phantom")
    _add_json(metrics)
    _add_json(add("backbones", "list the metrics' networks and their weights"))
    _add_json(add("doctor", "say what is installed and what can run here"))
    return parser


def _add_scores(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--scores", metavar="A,B", help="only these scores; default: all")


def _add_task(parser: argparse.ArgumentParser, *, required: bool) -> None:
    parser.add_argument(
        "--task",
        required=required,
        metavar="TASK",
        help="e.g. 'L+T->F', quoted; or a group: paper, joint, all",
    )


def _add_model(parser: argparse.ArgumentParser, *, required: bool) -> None:
    parser.add_argument(
        "--model",
        required=required,
        metavar="MODEL",
        help="a name of `codixr-bench models`, name:CHECKPOINT, or package.module:Class",
    )


def _add_data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--track", metavar="TRACK", help="phantom (default), openi, or a recipe")
    parser.add_argument("--data", type=Path, metavar="DIR", help="where the track's data are")
    parser.add_argument("--split", metavar="SPLIT", help="default: test")
    parser.add_argument(
        "--limit", type=positive, metavar="N", help="only the first N studies of the split"
    )


def _add_generation(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seed", type=at_least(0), default=0, metavar="N", help="default: 0")
    parser.add_argument("--batch-size", type=positive, default=64, metavar="N", help="default: 64")
    parser.add_argument(
        "--chunk-size",
        type=positive,
        default=64,
        metavar="N",
        help="studies a file; an interrupted run loses at most one chunk (default: 64)",
    )


def _add_scoring(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--metrics", metavar="A,B", help="only these (see `codixr-bench metrics`); default: all"
    )
    parser.add_argument(
        "--show-content",
        action="store_true",
        help="draw grid.png on a track of real patients too",
    )
    _add_json(parser)


def _add_out(parser: argparse.ArgumentParser, *, overwrite: bool = True) -> None:
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="default: runs/TRACK[-LIMIT]/TASK/MODEL"
    )
    if overwrite:
        parser.add_argument(
            "--overwrite", action="store_true", help="replace another run's samples in the folder"
        )


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="JSON on stdout instead of a table")

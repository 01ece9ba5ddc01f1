"""An argument that is longer than a file's name: one line, exit code 2, and no patient's text."""

import argparse
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from codixr import cli as codixr
from codixr import own_files
from codixr.errors import InputError
from codixr.quoting import LONGEST, discreet
from codixr.user_paths import can_be_a_name, is_file, is_folder, is_there
from codixr_bench import cli as bench

MED = "Small left pleural effusion of John Smithson, seen since last year. " * 5
LONG = {"x": "x" * 300, "é": "é" * 300, "words": "no Smithson " * 25}
"""300 bytes of a name, 600, and 300 of a text."""
BASES = {
    "codixr generate": ["--from", "T=No effusion.", "--to", "F", "--out", "out"],
    "codixr prepare mimic-cxr": ["--root", "nowhere", "--out", "out"],
    "codixr prepare openi": ["--pictures", "nowhere", "--out", "out"],
    "codixr prepare ct": ["--volumes", "nowhere", "--reports", "nowhere", "--out", "out"],
    "codixr prepare phantom": ["--out", "out", "--n", "1"],
    "codixr train": ["image-vae", "--preset", "tiny", "--data", "nowhere", "--out", "out"],
    "codixr convert": ["nowhere", "--to", "out"],
    "codixr init": ["--preset", "paper", "--vae", "nowhere", "--to", "out"],
    "codixr-bench run": ["--task", "L->F", "--model", "constant", "--data", "nowhere"],
    "codixr-bench generate": ["--task", "L->F", "--model", "constant", "--data", "nowhere"],
    "codixr-bench score": ["--samples", "nowhere", "--task", "L->F"],
    "codixr-bench fid": ["nowhere", "nowhere", "--backbone", "phantom"],
    "codixr-bench label": ["nowhere"],
    "codixr-bench compare": ["nowhere", "nowhere"],
    "codixr-bench check": ["nowhere", "--against", "nowhere"],
    "codixr-bench reproduce": ["phantom", "--models", "nowhere", "--limit", "4", "--plan"],
    "codixr-bench reproduce-row": ["nowhere", "--model", "constant"],
    "codixr-bench table": ["II"],
    "codixr-bench audit": ["nowhere"],
    "codixr-bench court": ["--limit", "0"],
    "codixr-bench utility": ["nowhere"],
    "codixr-bench subgroups": ["nowhere", "--by", "sex"],
    "codixr-bench submit": ["nowhere"],
    "codixr-bench site": ["nowhere", "out"],
    "codixr-bench plot": ["forest", "nowhere", "--to", "p.svg"],
    "codixr-bench figure": ["1", "nowhere", "--to", "p.png"],
    "codixr-bench readers": ["make", "nowhere"],
    "codixr-bench show": ["nowhere"],
    "codixr-bench export": ["hub", "nowhere"],
    "codixr-bench new-model": ["name"],
    "codixr-bench fetch": ["nowhere"],
}
"""What else stands on the command line; none of it costs anything."""
BEFORE = {
    "--from": ("", "T=", "T=@", "F=", "R="),
    "--model": ("", "codixr:", "samples:"),
    "--models": ("", "codixr:"),
    "--model-arg": ("", "a="),
    "--set": ("", "x=", "image-vae."),
    "--weights": ("", "T=", "inception="),
    "--margin": ("", "frechet="),
    "--metrics": ("", "bleu,"),
}
"""What an argument of the option may begin with."""
FREE = {("codixr info", "--label-policy"), ("codixr-bench table", "--caption")}
"""Options that take any text there."""


def parsers() -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Every command, as it is typed, and its parser."""
    yield from _below("codixr", codixr._parser())
    for name in bench.COMMANDS:
        yield f"codixr-bench {name}", bench.parser_of(name)


def _below(
    name: str, parser: argparse.ArgumentParser
) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    yield name, parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for word, below in action.choices.items():
                yield from _below(f"{name} {word}", below)


def taken(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    """Its options and places that take a word."""
    skipped = argparse._SubParsersAction
    return [a for a in parser._actions if a.nargs != 0 and not isinstance(a, skipped)]


PARSERS = dict(parsers())
CASES = [
    (name, (action.option_strings or [action.dest])[-1], before)
    for name, parser in PARSERS.items()
    for action in taken(parser)
    for before in BEFORE.get((action.option_strings or [""])[-1], ("",))
]


def words_of(name: str, option: str, value: str) -> list[str]:
    """A command line of ``name`` with ``value`` for ``option``, or in the place of that name."""
    parser, rest = PARSERS[name], list(BASES.get(name, ()))
    places = [action for action in taken(parser) if not action.option_strings]
    (action,) = (a for a in taken(parser) if option in (*a.option_strings, a.dest))
    if action.option_strings:
        while option in rest:
            del rest[rest.index(option) : rest.index(option) + 2]
        count = action.nargs if isinstance(action.nargs, int) else 1
        rest += [option, *[value] * count]
    elif places.index(action) < len(rest):
        rest[places.index(action)] = value
    else:
        rest.append(value)
    return [*name.split()[1:], *rest]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, and no model that could be loaded."""

    class Pipeline:
        @staticmethod
        def from_pretrained(folder: Path | None) -> None:
            raise InputError("no model here")

    module = ModuleType("codixr.model.pipeline")
    module.CoDiXRPipeline = Pipeline  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "codixr.model.pipeline", module)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def main(program: str, words: list[str]) -> int:
    return codixr.main(words) if program == "codixr" else bench.main(words)


@pytest.mark.parametrize(("name", "option", "before"), CASES)
def test_no_argument_is_too_long_for_one_line(
    name: str, option: str, before: str, elsewhere: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for letters, long in LONG.items():
        code = main(name.split()[0], words_of(name, option, before + long))
        said = capsys.readouterr().err
        if (name, option) in FREE:
            assert code == 0
            continue
        assert code == 2, said
        (line,) = (line for line in said.splitlines() if "error: " in line)
        assert long.strip()[:100] not in said
        assert len(line) < 1500, f"{letters}: {line}"
        assert "Smithson" not in said
        assert list(elsewhere.iterdir()) == []


def test_every_command_that_takes_a_word_is_in_the_table() -> None:
    assert len(CASES) > 200
    assert set(BASES) <= set(PARSERS)


@pytest.mark.parametrize(
    "words",
    [
        ["generate", "--from", f"T={MED}", "--to", "T", "--out", "out"],
        ["generate", "--from", f"t= {MED}", "--to", "X", "--out", "out"],
        ["generate", f"--from=R={MED}", "--to", "F", "--out", "out"],
        ["generate", "--form", f"T={MED}", "--to", "F", "--out", "out"],
        ["generate", "--to", f"T={MED}", "--out", "out"],
        ["generate", "--to", MED, "--out", "out"],
        ["generate", "--from", MED, "--to", "F", "--out", "out"],
        ["generate", "--from", MED.replace(".", "="), "--to", "F", "--out", "out"],
        ["generate", "--from", f"T=@{MED}", "--to", "F", "--out", "out"],
        ["generate", "--from", "T=@left effusion, Smithson", "--to", "F", "--out", "out"],
        ["generate", "--from", *f"T={MED}".split(), "--to", "F", "--out", "out"],
        ["generate", "--from", "T=Smithson, small effusion", "--steps", "T=Smithson"],
        ["T=Smithson: small effusion"],
        ["train", "--from", f"T={MED}"],
    ],
)
def test_a_report_is_never_quoted(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert codixr.main(words) == 2
    printed = capsys.readouterr()
    (line,) = (line for line in printed.err.splitlines() if "note: " not in line)
    assert "error: " in line
    assert "Smithson" not in printed.err + printed.out
    assert not Path("out").exists()


def test_loose_words_are_counted_and_a_misspelt_option_is_still_named(
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ["generate", "--from", "T=no", "acute", "rib", "fracture", "--to", "F", "--out", "out"]
    assert codixr.main(words) == 2
    assert "no option: 3; quote a text, e.g. --from 'T=some text'" in capsys.readouterr().err
    assert codixr.main([*words, "--sed", "1"]) == 2
    said = capsys.readouterr().err
    assert "did you mean --seed?" in said
    assert "fracture" not in said


@pytest.mark.parametrize(
    "words",
    [
        ["run", "--task", LONG["x"], "--model", "codixr"],
        ["run", "--task", "T->F", "--model", LONG["x"]],
    ],
)
def test_a_run_of_its_own_process_says_nothing_of_a_sudden_end(words: list[str]) -> None:
    command = [sys.executable, "-m", "codixr_bench.cli", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    (line,) = (line for line in done.stderr.splitlines() if ": loading " not in line)
    assert "error: " in line
    assert "without a word" not in done.stderr
    assert LONG["x"] not in done.stderr


@pytest.mark.parametrize("program", ["codixr", "codixr-bench"])
def test_a_name_that_turns_out_too_long_is_one_line(
    program: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where a file beside an argument, with a longer name, can't be written."""

    def write(_: argparse.Namespace) -> int:
        Path(f"{'y' * 250}.part").write_text("")
        Path(f"{'x' * 250}.longer.part").write_text("")
        return 0

    if program == "codixr":
        monkeypatch.setattr(codixr.info, "run", write)
        assert codixr.main(["info"]) == 2
    else:
        from codixr_bench.commands import tasks

        monkeypatch.setattr(tasks, "main", write)
        assert bench.main(["tasks"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "too long for the name of a file or folder, which has at most 255 bytes" in line


def test_another_failure_of_the_disk_is_not_called_a_long_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def write(_: argparse.Namespace) -> int:
        raise PermissionError(13, "Permission denied", "a")

    monkeypatch.setattr(codixr.info, "run", write)
    with pytest.raises(PermissionError):
        codixr.main(["info"])


@pytest.mark.parametrize("program", ["codixr", "codixr-bench"])
def test_a_nul_is_refused(program: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["generate", "--from", "F=a\0b"] if program == "codixr" else ["show", "a\0b"]
    assert main(program, words) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "holds a NUL character; leave it out" in line


def test_what_no_file_can_be_called_is_no_file(elsewhere: Path) -> None:
    (elsewhere / "a").write_text("")
    for name in ("x" * 300, "é" * 150, "a\0b", "a/b"):
        assert not any(ask(name) for ask in (is_there, is_file, is_folder))
    assert is_there("a")
    assert is_file("a")
    assert is_folder(".")
    assert not is_folder("a")
    assert can_be_a_name(Path("é" * 127))
    for name in ("é" * 128, "a/b/" + "x" * 256, "ab/" * 2000, "a\0"):
        assert not can_be_a_name(Path(name))


def test_explaining_an_error_never_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: object) -> Iterator[Path]:
        raise OSError(36, "File name too long")

    monkeypatch.setattr(own_files, "_paths", broken)
    error = InputError("wrong")
    assert own_files.explained(error, "codixr info", argparse.Namespace()) is error


def test_only_long_arguments_and_reports_are_kept_out_of_a_message() -> None:
    short, long, text = "x" * LONGEST, "y" * (LONGEST + 1), "word " * 60
    assert discreet(f"'{short}' is no", [short]) == f"'{short}' is no"
    assert discreet(f"'{long}' is no", [long]) == f"'{'y' * 30}… (256 characters)' is no"
    assert discreet(f"'{long}' is no", [f"--set=a={long},b"]).count("y") == 30
    assert discreet(f"'{text.strip()}' is no", [text.strip()]) == "'… (299 characters)' is no"
    path = "folder/" * 40 + "result.json"
    assert discreet(f"{path}: is no", [path]) == f"{path}: is no"  # a file may lie there
    path = "folder" * 50 + "/result.json"
    assert "result.json (312 characters)" in discreet(f"{path}: is no", [path])
    assert discreet("unknown: --foo=T=some", ["T=s"]) == "unknown: --foo=T=some"
    assert discreet("--from 'T=some text'", ["T="]) == "--from 'T=some text'"
    assert discreet("T=It's: no", ["T=It's"]) == "T=…: no"
    assert discreet("no 'left effusion'", ["r=Left effusion"]) == "no '…'"
    assert discreet("F.png and T=@a.txt", ["F=F.png", "T=@a.txt"]) == "F.png and T=@a.txt"


@pytest.mark.parametrize(
    "words",
    [
        ["--from", "T", "Effusion of Mr Smithson"],
        ["--prompt", "Effusion of Mr Smithson"],
        ["--from", "T=", "Effusion of Mr Smithson"],
    ],
    ids=["no sign", "no option", "apart"],
)
def test_a_loose_text_is_not_quoted(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert codixr.main(["generate", *words, "--to", "F", "--out", "made"]) == 2
    said = capsys.readouterr().err
    assert "Smithson" not in said
    assert "Traceback" not in said

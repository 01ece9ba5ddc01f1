"""CONTRIBUTING's metric, installed from its printed blocks alone, does what a built-in one does."""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from codixr.errors import InputError
from codixr_bench import registry
from codixr_bench.cli import main
from codixr_bench.result import Result
from codixr_bench.testing import check_metric
from codixr_leaderboard.checks import PLUGGED_IN, result_problems

CONTRIBUTING = (Path(__file__).parents[2] / "CONTRIBUTING.md").read_text()
SECTION = CONTRIBUTING.partition("## Add a metric")[2].partition("## Add a track")[0]


def block(language: str) -> str:
    (found,) = re.findall(rf"```{language}\n(.*?)```", SECTION, re.DOTALL)
    return found


def forget() -> None:
    for cached in (registry.plugged_in, registry.load_family, registry.family_of):
        cached.cache_clear()


def install(folder: Path, code: str, entry: str) -> None:
    """What pip leaves of a package with an entry point."""
    (folder / "my_metric.py").write_text(code)
    (name, target) = re.findall(r'(\w+) = "(.*)"', entry)[0]
    info = folder / "my_metric-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-metric\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[codixr.metrics]\n{name} = {target}\n")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, "my_metric", raising=False)
    forget()
    yield folder
    sys.modules.pop("my_metric", None)
    forget()


def test_the_printed_blocks_alone_run_compare_and_gate(
    site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    install(site, block("python"), block("toml"))
    wanted = "report_words,bleu"
    run = ["run", "--task", "F->T", "--limit", "16", "--metrics", wanted]
    for model in ("real", "constant"):
        assert main([*run, "--model", model, "--out", str(tmp_path / model)]) == 0
    shown = capsys.readouterr().out
    assert "report_words" in shown
    real, constant = (Result.load(tmp_path / m / "result.json") for m in ("real", "constant"))
    score = real.score("report_words")
    assert score is not None
    assert score.ci95 is not None
    assert score.ci95[0] < score.value < score.ci95[1]
    assert score.signature == "report_words|n:16"
    assert constant.score("report_words").ci95[0] == constant.score("report_words").ci95[1]
    folders = [str(tmp_path / model) for model in ("constant", "real")]
    assert main(["compare", *folders, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert "report_words" in json.dumps(found)
    assert "not compared" not in json.dumps(found)
    # The fixed sentence is shorter than real reports, and fewer words count as better here.
    assert main(["check", folders[0], "--against", folders[1], "--scores", "report_words"]) == 0
    assert main(["check", folders[1], "--against", folders[0], "--scores", "report_words"]) == 1
    assert main(["metrics", "report_words"]) == 0
    assert "mean number of words" in capsys.readouterr().out


def test_it_keeps_the_contract(site: Path) -> None:
    install(site, block("python"), block("toml"))
    report = check_metric("report_words", ["F->T"], n=8)
    assert report.passed, str(report)


def test_on_the_leaderboard_it_is_refused_in_the_words_that_contributing_has(
    site: Path, tmp_path: Path
) -> None:
    install(site, block("python"), block("toml"))
    out = tmp_path / "run"
    asked = ["--limit", "4", "--metrics", "report_words", "--out", str(out)]
    assert main(["run", "--task", "F->T", "--model", "real", *asked]) == 0
    problems = [str(one) for one in result_problems(Result.load(out / "result.json"))]
    assert f"scores.0.name: {PLUGGED_IN}" in problems
    assert PLUGGED_IN in " ".join(SECTION.split())


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("metrics = ReportWords()", "def metrics(task, track): return []"), "is not a codixr_ben"),
        (('name = "report_words"', 'name = "words"'), "is called 'words'"),
        (('{"report_words":', '{"bleu_4":'), "the score 'bleu_4' is built in"),
        (("columns = ", "import nothing_there; columns = "), "cannot import 'my_metric'"),
    ],
)
def test_what_is_wrong_with_a_plug_in_is_said(
    site: Path, change: tuple[str, str], expected: str
) -> None:
    assert change[0] in block("python")
    install(site, block("python").replace(*change), block("toml"))
    with pytest.raises(InputError, match=re.escape(expected)):
        registry.load_family("report_words")


def test_a_plugged_in_metric_stands_trial_by_its_name(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    install(site, block("python"), block("toml"))
    words = ["court", "--metrics", "report_words", "--limit", "12", "--json"]
    assert main([*words, "--workers", "1"]) == 0
    alone = json.loads(capsys.readouterr().out)
    (row, *_) = [row for row in alone["scores"] if row["score"].startswith("report_words")]
    found = {one["fault"]: one for one in row["faults"]}
    # It counts words: one more sentence is seen, another order of them is not.
    assert found["sentences in another order"]["verdict"] == "blind"
    assert found["finding made up"]["verdict"] == "sees"


def test_a_sensitivity_that_a_plugged_in_metric_declares_and_lost_fails_the_court(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    declared = 'sees = {"report_words": ("finding made up", "sentences in another order")}'
    code = block("python").replace('columns = ("words",)', f'columns = ("words",)\n    {declared}')
    assert declared in code
    install(site, code, block("toml"))
    words = ["court", "--metrics", "report_words", "--limit", "12", "--json", "--workers", "1"]
    assert main(words) == 1
    lost = json.loads(capsys.readouterr().out)["lost"]
    assert lost == [{"score": "report_words", "fault": "sentences in another order"}]

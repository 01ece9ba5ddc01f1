"""Ranks, tables and pages: deterministic, escaped, complete without a script."""

import copy
import csv
import html
import io
import subprocess
import sys
import time
from dataclasses import replace
from datetime import date
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from codixr.errors import InputError
from codixr_bench.cli import main as bench
from codixr_bench.comparing.reproduction import Reproduction
from codixr_bench.result import Result
from codixr_bench.score import Score
from codixr_leaderboard import cards, ranking, site, truths
from codixr_leaderboard.accepted import tracks
from codixr_leaderboard.printed import MARK
from codixr_leaderboard.ranking import Board
from codixr_leaderboard.resampling import sureness_of
from codixr_leaderboard.site import COLUMNS, build
from codixr_leaderboard.standing import Badge, Standing
from codixr_leaderboard.submission import Submission
from codixr_leaderboard.table import DOWNLOADS
from helpers.submission_fakes import (
    DAY,
    JUDGE,
    PRINTED,
    a_result,
    build_pages,
    checked,
    files,
    result_json,
    submission,
)


def boards(sent: list[Submission]) -> list[Board]:
    return ranking.boards(sent, checked(sent))


def with_interval(model: str, value: float, low: float, high: float, day: date) -> Submission:
    content = copy.deepcopy(result_json("T->F", model))
    content["scores"][0] |= {"value": value, "ci95": [low, high]}
    result = Result.model_validate(content)
    return Submission(model=model, submitted=day, results=(result,))


def test_models_tie_where_intervals_overlap_and_not_elsewhere():
    late = date(2026, 2, 1)
    (board,) = boards(
        [
            with_interval("worst", 30, 28, 32, DAY),
            with_interval("late", 11, 9, 13, late),
            with_interval("best", 10, 9, 11, late),
            with_interval("early", 11, 9, 13, DAY),
            with_interval("narrow", 11, 10, 12, late),
            with_interval("middle", 12.5, 11.5, 13.5, DAY),
        ]
    )
    ranks = [(row.result.model.name, row.rank, row.tied) for row in board.rows]
    assert ranks == [
        ("best", 1, True),
        ("narrow", 1, True),
        ("early", 1, True),
        ("late", 1, True),
        ("middle", 2, False),
        ("worst", 6, False),
    ]


def test_a_simulated_track_ranks_only_checked_statistics(tmp_path):
    sent = [submission("mine", 0.7), submission("yours", 0.6)]
    known = checked(sent[1:])
    (board,) = ranking.boards(sent, known)
    assert [(row.result.model.name, row.rank) for row in board.rows] == [
        ("mine", None),
        ("yours", 1),
    ]
    site.build_pages(sent, {}, tmp_path, known)
    page = (tmp_path / "phantom-t-to-f.html").read_text()
    assert "mine</a><small>self-reported</small>" in page
    assert "yours</a><small>statistics checked</small>" in page
    assert "not ranked" in (tmp_path / "models" / "phantom-mine.html").read_text()


def test_self_reported_rows_of_patients_are_ranked_among_themselves():
    sent = []
    for name in ("a", "b"):
        content = copy.deepcopy(result_json("F->T", name))
        content["track"] |= {"name": "ct", "fingerprint": "1" * 64}
        result = Result.model_validate(content)
        sent.append(Submission(model=name, submitted=DAY, results=(result,)))
    (board,) = ranking.boards(sent)
    assert [row.rank for row in board.rows] == [1, 1]


def test_pages_show_who_reproduced_a_row_and_a_rerun_that_differs(tmp_path):
    attempt = Reproduction(
        task="T->F", model_version="1.0", statistics_sha256="0" * 64, by="cat",
        on=date(2026, 11, 28), device="cpu", studies=64, equal=64, platform="Linux-x86_64",
        torch="2.9.0",
    )  # fmt: skip
    other = attempt.model_copy(update={"by": "dan", "equal": 3})
    sent = [submission("mine", 0.7), submission("yours", 0.6)]
    known = {
        ("phantom", "mine", "T->F"): Standing(Badge.REPRODUCED, attempts=(attempt,)),
        ("phantom", "yours", "T->F"): Standing(Badge.REPRODUCED, attempts=(attempt, other)),
    }
    site.build_pages(sent, {}, tmp_path, known)
    page = (tmp_path / "phantom-t-to-f.html").read_text()
    assert "mine</a><small>reproduced</small>" in page
    assert "yours</a><small>reproduced; another's rerun differs</small>" in page
    said = (tmp_path / "models" / "phantom-mine.html").read_text()
    made = "on 2026-11-28 (cpu, Linux-x86_64, torch 2.9.0)"
    assert f"Reproduced by cat {made}: 64 of 64 studies are equal." in said
    said = (tmp_path / "models" / "phantom-yours.html").read_text()
    assert f"Warning: a rerun differs, by dan {made}: 3 of 64" in said
    assert "Reproduced by cat" in said


def one_score(value: float, half: float = 1.0) -> Score:
    content = result_json("T->F")["scores"][0]
    return Score.model_validate(content | {"value": value, "ci95": [value - half, value + half]})


def test_rows_that_differ_study_by_study_alike_are_told_apart_though_intervals_overlap():
    """Both swing together: paired, the better one is first in nearly every resample."""
    common = np.random.default_rng(0).normal(0, 20, 2000)
    tables = [{"fid_phantom.pseudovalue": v + common - common.mean()} for v in (10.0, 10.3)]
    pair = [(one_score(v), t) for v, t in zip((10.0, 10.3), tables, strict=True)]
    best, worse = sureness_of(pair, 2000)
    assert (best.low, best.high, worse.low, worse.high) == (1, 1, 2, 2)
    assert best.best > 0.99
    alone = sureness_of([(score, None) for score, _ in pair], 2000)
    assert (alone[0].low, alone[0].high) == (1, 2)
    # Of two normal draws 0.3 apart, each of half width 1: P(first) = Phi(0.3 / (0.51 * sqrt 2)).
    assert alone[0].best == pytest.approx(0.661, abs=0.03)


def test_all_other_scores_stand_behind_one_toggle(tmp_path):
    build_pages([submission("mine", 0.7), submission("yours", 0.6)], {}, tmp_path)
    # A long name may break after an underscore.
    page = (tmp_path / "phantom-t-to-f.html").read_text().replace("_<wbr>", "_")
    shown, _, hidden = page.partition("<details>")
    for name in ("auroc_micro", "f1_macro", "f1_weighted"):
        assert f">{name}" not in shown
        assert f'<th scope="col">{name}</th>' in hidden
    assert hidden.count('<th scope="row">') == 2 * hidden.count("<table")
    # No table is wider than a page of 1,280 pixels holds.
    assert all(part.count('<th scope="col">') <= COLUMNS for part in hidden.split("<table")[1:])
    assert 'href="metrics/' in hidden


def test_equal_rows_share_the_first_place():
    both = sureness_of([(one_score(5.0, 0.0), None), (one_score(5.0, 0.0), None)], 2000)
    assert [(one.low, one.high, one.best) for one in both] == [(1, 1, 0.5), (1, 1, 0.5)]


def test_reference_points_stand_in_their_place_without_a_rank(tmp_path):
    sent = [submission("real", 0.99), submission("mine", 0.7), submission("noise", 0.1)]
    (board,) = boards(sent)
    assert [(row.result.model.name, row.rank) for row in board.rows] == [
        ("real", None),
        ("mine", 1),
        ("noise", None),
    ]
    assert [row.result.model.name for row in board.racing] == ["mine"]
    build_pages(sent, {}, tmp_path)
    assert (tmp_path / "phantom-t-to-f.html").read_text().count(">reference point<") == 2
    assert "reference point" in (tmp_path / "models" / "phantom-real.html").read_text()


def test_the_order_of_the_files_does_not_matter():
    sent = [submission(f"model {i}", 0.2 + i / 20) for i in range(10)]
    assert boards(sent) == boards(sent[::-1])
    qualities = [row.result.model.name for row in boards(sent)[0].rows]
    assert qualities == [f"model {i}" for i in range(9, -1, -1)]


def changed(model: str, **track: object) -> Submission:
    content = copy.deepcopy(result_json("T->F", model))
    content["track"] |= track
    return Submission(model=model, submitted=DAY, results=(Result.model_validate(content),))


@pytest.mark.parametrize(
    "track", [{"n": 1999}, {"fingerprint": "d" * 64}, {"version": "3"}, {"split": "val"}]
)
def test_results_of_other_studies_never_share_a_table(track):
    found = boards([submission("a", 0.5), submission("b", 0.6), changed("c", **track)])
    assert [[row.result.model.name for row in board.rows] for board in found] == [["b", "a"], ["c"]]
    assert [board.stem for board in found] == ["phantom-t-to-f", "phantom-t-to-f-2"]


@pytest.mark.parametrize("position", [0, 2])
def test_results_of_other_signatures_never_share_a_table(position):
    content = copy.deepcopy(result_json("T->F", "c"))
    score = content["scores"][position]
    score["signature"] = score["signature"].replace(JUDGE, "phantom-judge-F|weights:00000000")
    other = Submission(model="c", submitted=DAY, results=(Result.model_validate(content),))
    found = boards([submission("a", 0.5), other])
    assert len(found) == 2


def a_board() -> Board:
    return boards([submission("my_model", 0.5), submission("Lab/x-ray 2.1", 0.7)])[0]


def test_downloads_hold_the_table_in_three_formats():
    rows = list(csv.DictReader(io.StringIO(DOWNLOADS["csv"](a_board()))))
    assert [row["model"] for row in rows] == ["Lab/x-ray 2.1", "my_model"]
    assert float(rows[0]["fid_phantom"]) == pytest.approx(12.0)
    assert float(rows[0]["fid_phantom_low"]) < 12 < float(rows[0]["fid_phantom_high"])
    markdown = DOWNLOADS["md"](a_board())
    assert "| 1 | Lab/x-ray 2.1 | 12.00 [11.40–12.60] | 0.843" in markdown
    assert r"my\_model" in markdown
    latex = DOWNLOADS["tex"](a_board())
    assert r"my\_model & 20.00" in latex
    assert latex.count(r"\\") == 3


def test_the_site_is_the_same_byte_for_byte(tmp_path):
    sent = [submission(f"model {i}", 0.3 + i / 20, "T->F", "F->T") for i in range(3)]
    build_pages(sent, PRINTED, tmp_path / "a")
    build_pages(sent, PRINTED, tmp_path / "a")
    build_pages(sent[::-1], PRINTED, tmp_path / "b")
    first = files(tmp_path / "a")
    assert first == files(tmp_path / "b")
    assert {"index.html", "phantom-t-to-f.svg", "models/phantom-model-0.html"} <= set(first)


class Page(HTMLParser):
    """Tags, attributes and text; an unclosed or misplaced tag is an error."""

    VOID = ("meta", "link", "br", "wbr", "img")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, (tag, self.getpos())


def test_pages_are_whole_load_nothing_from_elsewhere_and_their_links_lead_somewhere(tmp_path):
    sent = [submission(f"model {i}", 0.3 + i / 20, "T->F", "F->T") for i in range(2)]
    build_pages(sent, PRINTED, tmp_path)
    pages = list(tmp_path.rglob("*.html"))
    assert len(pages) == 1 + 1 + 2 + 2 + len(cards.pages())
    for path in pages:
        page = Page(path.read_text())
        assert [tag for tag, _ in page.tags].count("h1") == 1
        (policy,) = (a["content"] for _, a in page.tags if a.get("http-equiv"))
        assert policy.startswith("default-src 'none'")
        for tag, attributes in page.tags:
            assert "style" not in attributes
            assert not any(name.startswith("on") for name in attributes)
            if tag == "img":
                assert attributes["alt"]
            target = attributes.get("href") or attributes.get("src") or ""
            is_source = path.parent.name == "metrics" and tag == "a" and target[:8] == "https://"
            if not target.startswith("data:") and not is_source:
                file, _, anchor = target.partition("#")
                assert not file or (path.parent / file).is_file(), (path, target)
                assert not anchor or f'id="{anchor}"' in (
                    (path.parent / file).read_text() if file else path.read_text()
                )


def test_the_papers_rows_are_marked_and_stand_apart(tmp_path):
    build_pages([submission("mine", 0.5)], PRINTED, tmp_path)
    text = (tmp_path / "mimic-cxr-paper.html").read_text()
    assert "CoDi_XR (paper)" in text
    assert text.count(f'<small class="note">{MARK}</small>') == text.count('<th scope="row">') > 20
    assert "CoDi_XR" not in (tmp_path / "phantom-t-to-f.html").read_text()


def test_names_are_escaped_even_if_a_check_had_let_them_through(tmp_path):
    evil = '<img src=x onerror="alert(1)">'
    result = a_result()
    result = result.model_copy(update={"model": result.model.model_copy(update={"name": evil})})
    sent = Submission.model_construct(
        schema_version=1, model=evil, submitted=DAY, results=(result,)
    )
    build_pages([sent], {}, tmp_path)
    for path in [*tmp_path.rglob("*.html"), *tmp_path.rglob("*.svg")]:
        assert "<img src=x" not in path.read_text(), path
    assert html.escape(evil)[:12] in (tmp_path / "index.html").read_text()


def test_a_site_of_no_results_builds(tmp_path):
    (tmp_path / "results").mkdir()
    assert build(tmp_path / "results", tmp_path / "site") == 1
    assert "No results yet" in (tmp_path / "site" / "index.html").read_text()


def test_a_models_page_draws_its_versions(tmp_path):
    def version(name: str, quality: float) -> Result:
        content = result_json("T->F", "my-model", quality)
        content["model"]["version"] = name
        return Result.model_validate(content)

    first = Submission(model="my-model", submitted=DAY, results=(version("1.0", 0.6),))
    build_pages([first.merged([version("2.0", 0.7)])], {}, tmp_path / "site")
    page = (tmp_path / "site/models/phantom-my-model.html").read_text()
    assert "over versions" in page
    picture = tmp_path / "site/models/phantom-t-to-f-my-model-versions.svg"
    assert picture.name in page
    drawn = picture.read_text()
    assert drawn.index(">1.0<") < drawn.index(">2.0<")
    build_pages([first], {}, tmp_path / "site")
    assert "over versions" not in (tmp_path / "site/models/phantom-my-model.html").read_text()


def test_a_refused_file_stops_the_build_and_a_strange_folder_is_left_alone(tmp_path, capsys):
    bad = tmp_path / "results" / "phantom" / "x.json"
    bad.parent.mkdir(parents=True)
    bad.write_text("{}")
    assert bench(["site", str(tmp_path / "results"), str(tmp_path / "site")]) == 2
    assert not (tmp_path / "site").exists()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match="`make site` didn't write"):
        build_pages([], {}, tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.txt").exists()
    with pytest.raises(InputError, match="is a file: the pages need a folder"):
        build_pages([], {}, tmp_path / "mine" / "thesis.txt")


@pytest.mark.slow
def test_a_site_of_500_models_builds_in_ten_seconds(tmp_path):
    results = tmp_path / "results" / "phantom"
    results.mkdir(parents=True)
    for i in range(500):
        sent = submission(f"model-{i}", 0.2 + i / 1000)
        (results / f"model-{i}.json").write_bytes(sent.to_json())
    began = time.process_time()
    assert build(tmp_path / "results", tmp_path / "site") == 502
    assert time.process_time() - began < 10


def test_building_imports_no_torch(tmp_path):
    (tmp_path / "results").mkdir()
    code = (
        "import sys; from codixr_bench.cli import main\n"
        f"assert main(['site', {str(tmp_path / 'results')!r}, {str(tmp_path / 'site')!r}]) == 0\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_three_commands_lead_from_a_folder_of_pictures_to_a_row(tmp_path, monkeypatch, capsys):
    """Score, submit, build; the table is smaller here, for speed: the rules are the same."""
    monkeypatch.chdir(tmp_path)
    for position in range(24):
        # Drawn from seeds: at 24 studies an unlucky draw's interval looks too narrow to the check.
        grey = np.random.default_rng(position).normal(128, 40 + position, (64, 64))
        picture = Image.fromarray(np.clip(grey, 0, 255).astype(np.uint8))
        (tmp_path / "theirs" / "F").mkdir(parents=True, exist_ok=True)
        picture.save(tmp_path / "theirs" / "F" / f"{position:05d}.png")
    score = ["score", "--samples", "theirs", "--task", "L+T->F", "--limit", "24"]
    assert bench([*score, "--out", "scored"]) == 0
    assert bench(["submit", "scored", "--model", "Their model"]) == 2
    assert "24 studies are too few" in capsys.readouterr().err
    result = Result.load(tmp_path / "scored" / "result.json")
    known = tracks()["phantom"]
    pinned = replace(known.submissions, n=24, fingerprint=result.track.fingerprint)
    monkeypatch.setitem(tracks(), "phantom", replace(known, submissions=pinned))
    monkeypatch.setattr(truths, "truths_of", lambda _: None)
    assert bench(["submit", "scored", "--model", "Their model"]) == 0
    assert bench(["site", "leaderboard/results", "site"]) == 0
    page = (tmp_path / "site" / "phantom-lt-to-f.html").read_text()
    assert "Their model</a>" in page

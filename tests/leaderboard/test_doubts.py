"""What takes a rank: warnings in the file, and those that a file left out."""

import io
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from codixr.errors import InputError
from codixr_bench.cli import main
from codixr_bench.result import Result
from codixr_bench.score import ResultWarning
from codixr_leaderboard import cards, ranking
from codixr_leaderboard.doubts import doubts_of, takes_rank
from codixr_leaderboard.grids import check_grid, smaller_grid
from codixr_leaderboard.sending import submit
from codixr_leaderboard.standing import Badge, Standing
from codixr_leaderboard.submission import Submission
from helpers.request_repo import PLACE, Repo, reasons, row
from helpers.statistics_fakes import drawn_columns, result_of, run_folder
from helpers.submission_fakes import build_pages, result_json

DAY = date(2026, 11, 20)
ABOVE = ResultWarning.of("above_real", ["auroc_macro"], ["= 0.0004"], value=4e-4, limit=0.01)
SMALL = ResultWarning.of("small_n", ["fid_phantom"], ["64", "128"], value=64, limit=128)


def doubted(model: str, quality: float, *warnings: ResultWarning) -> Submission:
    result = Result.model_validate(result_json("T->F", model, quality))
    result = result.model_copy(update={"warnings": warnings})
    return Submission(model=model, submitted=DAY, owner="ann", results=(result,))


@pytest.mark.parametrize(("warning", "ranked"), [(ABOVE, False), (SMALL, True)])
def test_a_result_in_doubt_takes_no_rank_and_the_pages_say_why(tmp_path, warning, ranked) -> None:
    sent = [doubted("better", 0.9, warning), doubted("worse", 0.6), doubted("real", 0.95, warning)]
    known = {
        ("phantom", name, "T->F"): Standing(Badge.CHECKED) for name in ("better", "worse", "real")
    }
    (board,) = ranking.boards(sent, known)
    ranks = {one.result.model.name: one.rank for one in board.rows}
    assert ranks == {"real": None, "better": 1 if ranked else None, "worse": 2 if ranked else 1}
    from codixr_leaderboard import site

    site.build_pages(sent, {}, tmp_path / "site", known)
    page = (tmp_path / "site" / "phantom-t-to-f.html").read_text()
    assert f"better: {warning.code}: " in page
    assert ("Not ranked." in page) == (not ranked)
    page = (tmp_path / "site" / "models" / "phantom-better.html").read_text()
    assert f"Warning, {warning.code}: " in page
    assert ("takes no rank" in page) == (not ranked)
    page = (tmp_path / "site" / "models" / "phantom-real.html").read_text()
    assert "takes no rank" not in page


def test_a_file_without_the_warning_is_still_found_to_be_above_the_real_studies() -> None:
    real = drawn_columns(1)
    served = dict(real)
    for name, column in real.items():
        if name.startswith("classification.probability."):
            label = real[name.replace("probability", "label")]
            served[name] = np.clip(column + 0.2 * (label == 1), 0, 1).astype(np.float32)
    result = Result.model_validate(result_of(served, "served"))
    assert result.warnings == ()
    first = (Result.model_validate(result_of(real, "real")), real)
    (warning,) = doubts_of(result, served, first)
    assert warning.code == "above_real"
    assert "auroc_macro" in warning.message
    assert takes_rank((warning,))
    worse = drawn_columns(5)
    assert not doubts_of(Result.model_validate(result_of(worse)), worse, first)


def picture(size: tuple[int, int] = (908, 2394), kind: str = "PNG", **more: object) -> bytes:
    sink = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 255, (8, 8), dtype=np.uint8)
    Image.fromarray(noise).resize(size).save(sink, kind, **more)
    return sink.getvalue()


def test_a_grid_of_the_projects_own_row_is_copied_and_shown(tmp_path: Path) -> None:
    folder, root = run_folder(tmp_path / "run", drawn_columns(), "codixr"), tmp_path / "results"
    (folder / "grid.png").write_bytes(picture())
    written = submit([folder], root, owner="codixr", today=DAY)
    assert root / "phantom" / "codixr" / "T-to-F.jpg" in written
    assert main(["verify", str(root)]) == 0
    assert main(["site", str(root), str(tmp_path / "site")]) == 0
    page = (tmp_path / "site" / "models" / "phantom-codixr.html").read_text()
    assert 'src="../models/phantom-codixr-t-to-f.jpg"' in page
    assert (tmp_path / "site" / "models" / "phantom-codixr-t-to-f.jpg").is_file()


def test_a_strangers_grid_is_neither_copied_nor_accepted(tmp_path: Path, capsys) -> None:
    folder, root = run_folder(tmp_path / "run", drawn_columns()), tmp_path / "results"
    (folder / "grid.png").write_bytes(picture())
    submit([folder], root, owner="ann", today=DAY)
    assert not list(root.rglob("*.jpg"))
    (root / "phantom" / "my-model" / "T-to-F.jpg").write_bytes(smaller_grid(folder / "grid.png"))
    assert main(["verify", str(root)]) == 1
    assert "the row has no result that this is of" in capsys.readouterr().out


def test_a_request_with_a_picture_is_refused(tmp_path: Path) -> None:
    repo = Repo(tmp_path / "repo")
    repo.git("checkout", "-q", "-b", "request")
    repo.write(row("bobs-model", "bob", 0.6))
    beside = repo.folder / PLACE / "bobs-model" / "T-to-F.jpg"
    beside.parent.mkdir()
    beside.write_bytes(picture((640, 900), "JPEG"))
    assert "pictures stand beside the project's own rows only" in reasons(repo.check("bob"))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"GIF89a",
        picture(),
        picture((300, 200), "JPEG"),
        picture((640, 5000), "JPEG"),
        picture((640, 900), "JPEG", comment=b"a small effusion"),
        picture((640, 900), "JPEG")[:200],
        b"\xff" * 300_000,
    ],
)
def test_another_file_in_a_grids_place_is_refused(content: bytes) -> None:
    with pytest.raises(InputError, match="it"):
        check_grid(content, "it")
    check_grid(picture((640, 900), "JPEG"), "it")


def test_names_of_scores_lead_to_their_cards(tmp_path: Path) -> None:
    build_pages([doubted("one", 0.7)], {}, tmp_path / "site")
    page = (tmp_path / "site" / "phantom-t-to-f.html").read_text()
    assert '<a href="metrics/frechet.html">fid_phantom</a>' in page
    for path, (title, text) in cards.pages().items():
        written = (tmp_path / "site" / path).read_text()
        assert f"<title>{title} · codixr leaderboard</title>" in written
        assert text in written
        assert 'href="' not in text or 'href="https://' in text
        assert "<script" not in text

"""A submission is accepted when its numbers follow from one another, merged, and shown."""

import copy
import json
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from codixr.data.groups import LEAST
from codixr.errors import InputError
from codixr.modality import Modality
from codixr_bench.backbones.anatomy import PhantomAnatomy
from codixr_bench.backbones.phantom_judge import judge_pass
from codixr_bench.cli import main
from codixr_bench.registry import TRACKS
from codixr_bench.result import Result
from codixr_bench.task import Task
from codixr_bench.track import Track
from codixr_leaderboard.checks import result_problems
from codixr_leaderboard.printed import TRACK, printed_rows
from codixr_leaderboard.schema import schemas
from codixr_leaderboard.sending import submit
from codixr_leaderboard.submission import (
    RefusedError,
    check_result,
    read_result,
    read_submission,
    slug,
)
from helpers.submission_fakes import PHANTOM, Json, a_result, result_json, write

LEADERBOARD = Path(__file__).parents[2] / "leaderboard"
DAY = date(2026, 1, 2)


def scores(content: Json) -> dict[str, Json]:
    return {score["name"]: score for score in content["scores"]}


def test_submit_merges_the_tasks_of_a_model_into_one_file(tmp_path):
    root = tmp_path / "results"
    first = write(tmp_path, result_json("T->F"), "a.json")
    second = write(tmp_path, result_json("F->T"), "b.json")
    mine = {"owner": "me", "today": DAY}
    assert submit([first], root, **mine) == [root / "phantom" / "my-model.json"]
    (path,) = submit([second], root, **mine)
    assert [result.task for result in read_submission(path).results] == ["F->T", "T->F"]
    better = write(tmp_path, result_json("T->F", quality=0.8), "c.json")
    with pytest.raises(InputError, match=r"has results of T->F already: --replace"):
        submit([better], root, **mine)
    submit([better], root, replace=True, **mine)
    merged = read_submission(path).results
    assert [result.task for result in merged] == ["F->T", "T->F"]
    assert merged[1] == a_result(quality=0.8)
    before = path.read_bytes()
    submit([better], root, replace=True, **mine)
    assert path.read_bytes() == before


def a_version(version: str, quality: float) -> dict:
    content = result_json("T->F", quality=quality)
    content["model"]["version"] = version
    return content


def test_the_result_of_an_earlier_version_is_kept(tmp_path):
    root = tmp_path / "results"
    for version, quality in (("1", 0.6), ("2", 0.7), ("2", 0.8), ("3", 0.75)):
        sent = write(tmp_path, a_version(version, quality), "a.json")
        (path,) = submit([sent], root, owner="me", replace=True, today=DAY)
    kept = read_submission(path)
    assert [(r.model.version, r.score("fid_phantom").value) for r in kept.versions("T->F")] == [
        ("1", pytest.approx(16.0)),
        ("2", pytest.approx(8.0)),
        ("3", pytest.approx(10.0)),
    ]
    assert [r.model.version for r in kept.results] == ["3"]


def test_an_edited_score_of_an_earlier_version_is_refused(tmp_path):
    root = tmp_path / "results"
    for version in ("1", "2"):
        sent = write(tmp_path, a_version(version, 0.7), "a.json")
        (path,) = submit([sent], root, owner="me", replace=True, today=DAY)
    content = json.loads(path.read_text())
    score = next(s for s in content["earlier"][0]["scores"] if s["name"] == "f1_micro")
    score["value"], score["ci95"] = 0.99, [0.9, 1.0]
    path.write_text(json.dumps(content))
    with pytest.raises(RefusedError, match=r"earlier\.0\.scores"):
        read_submission(path)


def test_submit_shows_another_name_and_refuses_two(tmp_path):
    first = write(tmp_path, result_json("T->F", "one"), "a.json")
    second = write(tmp_path, result_json("F->T", "two"), "b.json")
    with pytest.raises(InputError, match="several models: one, two"):
        submit([first, second], tmp_path / "results")
    (path,) = submit([first, second], tmp_path / "results", model="Lab's, 2.1".replace("'", ""))
    assert path.name == "labs-2-1.json"
    assert {result.model.name for result in read_submission(path).results} == {"Labs, 2.1"}
    with pytest.raises(InputError, match=r"holds the model 'Labs, 2\.1'"):
        submit([first], tmp_path / "results", model="labs 2-1")


def test_submit_leaves_out_what_the_senders_machine_could_not_score(tmp_path):
    content = result_json()
    absent = {"value": None, "ci95": None, "n": 0, "reason": "no file /home/me/inception.pth"}
    fid = scores(content)["fid_phantom"]
    content["scores"].append({**fid, **absent, "name": "fid_inception", "signature": "fid|n:0"})
    path = write(tmp_path, content)
    with pytest.raises(RefusedError, match="fid_inception"):
        check_result(read_result(path), "it")
    (written,) = submit([path], tmp_path / "results")
    assert "home" not in written.read_text()
    assert read_submission(written).results[0].score("fid_inception") is None


def test_submit_writes_nothing_when_one_file_is_refused(tmp_path):
    good = write(tmp_path, result_json("T->F"), "a.json")
    content = result_json("F->T")
    content["track"]["n"] = 64
    with pytest.raises(RefusedError):
        submit([good, write(tmp_path, content, "b.json")], tmp_path / "results")
    assert not (tmp_path / "results").exists()


def test_the_check_of_a_submission_sees_its_place_and_its_parts(tmp_path):
    (path,) = submit([write(tmp_path, result_json())], tmp_path / "results", today=DAY)
    content = json.loads(path.read_text())
    elsewhere = tmp_path / "openi"
    elsewhere.mkdir()
    for name, change_it, said in (
        ("my-model.json", lambda c: None, "belongs into phantom/"),
        ("other.json", lambda c: None, "the file of it is my-model.json"),
        ("my-model.json", lambda c: c["results"].append(c["results"][0]), "more than once"),
        ("my-model.json", lambda c: c.update(model="another"), "not the file's model"),
        ("my-model.json", lambda c: c.update(results=[]), "results"),
        ("my-model.json", lambda c: c.update(note="hi"), "note"),
    ):
        spoiled = copy.deepcopy(content)
        change_it(spoiled)
        with pytest.raises(RefusedError, match=said):
            read_submission(write(elsewhere, spoiled, name))


def test_verify_says_which_file_is_refused_and_why(tmp_path, capsys):
    root = tmp_path / "results"
    submit([write(tmp_path, result_json())], root, today=DAY)
    assert main(["verify", str(root)]) == 0
    bad = json.loads((root / "phantom" / "my-model.json").read_text())
    scores(bad["results"][0])["f1_macro"]["value"] = 0.8
    write(root / "phantom", bad, "my-model.json")
    capsys.readouterr()
    assert main(["verify", str(root)]) == 1
    assert "results.0.scores.f1_macro.value: 0.8000, and the mean" in capsys.readouterr().out
    (root / "phantom" / "link.json").symlink_to("/etc/hostname")
    assert main(["verify", str(root)]) == 2
    (tmp_path / "empty").mkdir()
    assert main(["verify", str(tmp_path / "empty")]) == 2, "a misspelt folder is not a fine one"


def test_show_prints_scores_and_what_made_them(tmp_path, capsys):
    path = write(tmp_path, result_json())
    assert main(["show", str(path)]) == 0
    out = capsys.readouterr().out
    digest = str(PHANTOM.fingerprint)[:10]
    for shown in ("fid_phantom", "my-model", digest, "signature  f1_macro: f1|avg:macro"):
        assert shown in out
    (submitted,) = submit([path], tmp_path / "results", today=DAY)
    assert main(["show", str(submitted)]) == 0
    assert main(["show", str(tmp_path / "none.json")]) == 2


def test_small_cells_of_real_patients_may_be_hidden():
    content = result_json("F->T")
    content["track"] |= {"name": "openi", "version": "1-pictures", "fingerprint": "d" * 64}
    per_class = scores(content)["label_f1_macro"]["per_class"]
    per_class["Edema"]["counts"] = None
    per_class["Pneumonia"] = {
        "value": None, "reason": f"fewer than {LEAST} patients: not shown", "n_pos": None,
        "n_neg": None,
    }  # fmt: skip
    assert result_problems(Result.model_validate(content)) == []


def test_the_published_schemas_are_those_of_the_code():
    for name, content in schemas().items():
        made = "python -m codixr_leaderboard.schema leaderboard"
        assert (LEADERBOARD / name).read_bytes() == content, f"make it again: {made}"


def test_the_printed_rows_are_the_papers_and_every_committed_result_passes(capsys):
    folder = LEADERBOARD / "results"
    assert main(["verify", str(folder)]) == 0
    assert {path.name for path in (folder / TRACK).glob("paper-*.json")} == set(printed_rows())
    assert printed_rows()["paper-codi-xr.json"].tasks["L+T->F"]["fid_inception"] == 22.63


def test_the_recipe_pins_the_split_that_the_track_opens():
    track = Track.load("phantom")
    dataset = track.dataset("test")
    assert (track.submissions.n, track.submissions.fingerprint) == (
        len(dataset),
        dataset.fingerprint,
    )


def test_the_recipe_pins_the_judges_of_its_signatures():
    pinned = Track.load("phantom").submissions.signatures
    for view in (Modality.F, Modality.L):
        assert judge_pass(view).signature in pinned[f"fid_phantom {view}"]
        assert pinned[f"anatomy_plausible {view}"] == PhantomAnatomy().signature(view)
        assert pinned[f"anatomy_agreement {view}"] == PhantomAnatomy().pair_signature()


@pytest.mark.parametrize("name", TRACKS)
def test_every_built_in_track_ranks_what_it_can_score(name):
    track = Track.load(name)
    for task in track.task_names():
        assert track.first_scores(Task.parse(task)), task


def test_a_ct_result_is_accepted(tmp_path):
    content = result_json("F->T")
    content["track"] |= {"name": "ct", "version": "1", "fingerprint": "1" * 64}
    check_result(read_result(write(tmp_path, content)), "it")


@pytest.mark.parametrize(
    ("name", "expected"), [("My Lab/X-ray 2.1", "my-lab-x-ray-2-1"), ("é", "model")]
)
def test_a_models_file_has_a_plain_name(name, expected):
    assert slug(name) == expected


def test_nothing_of_it_imports_torch(tmp_path):
    path = write(tmp_path, result_json())
    code = (
        "import sys; from codixr_bench.cli import main\n"
        f"assert main(['show', {str(path)!r}]) == 0\n"
        f"assert main(['verify', {str(path)!r}]) == 0\n"
        f"assert main(['submit', {str(path)!r}, '--to', {str(tmp_path / 'results')!r}]) == 0\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_submit_from_a_plain_folder_says_where_it_wants_to_be(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "result.json").write_text(json.dumps(result_json("T->F")))
    assert main(["submit", "result.json", "--owner", "ann"]) == 0
    said = capsys.readouterr().err
    assert f"'{tmp_path / 'leaderboard' / 'results'}' is not in a clone" in said
    assert "copy its files to leaderboard/results/ there, or give that folder by --to" in said
    assert "commit it" not in said
    (tmp_path / "leaderboard" / "codixr_leaderboard").mkdir()
    assert main(["submit", "result.json", "--owner", "ann", "--replace"]) == 0
    said = capsys.readouterr().err
    assert "clone" not in said
    assert "commit it and open a pull request" in said


def test_a_result_of_few_studies_is_told_so_and_not_what_follows_from_it(tmp_path, capsys):
    content = result_json("F->T")
    content["track"]["n"] = 64
    for score in content["scores"]:
        score["n"] = 64
        score["signature"] = score["signature"].replace("n:2000", "n:64")
        if "ref_len" in score["counts"]:
            score["counts"]["ref_len"] = 900
    content["coverage"] = {"expected": 64, "scored": 64}
    (tmp_path / "result.json").write_text(json.dumps(content))
    assert main(["submit", str(tmp_path / "result.json"), "--to", str(tmp_path / "r")]) == 2
    said = capsys.readouterr().err
    assert "track.n: 64 studies are too few: the split has 2,000" in said
    assert "ref_len" not in said

"""``reproduce openi`` against a server on this machine: plan, run, what is wrong, the kills."""

import hashlib
import json
import shutil
from pathlib import Path

import pytest

from codixr_bench.backbones.lock import cache_folder
from codixr_bench.backbones.weights import WEIGHTS
from codixr_bench.cli import main
from codixr_bench.reproduce import stages
from codixr_bench.reproduce.manifest import BUNDLE_NAME
from codixr_bench.result import Result
from helpers.processes import FORK, killed
from helpers.reproduce_fakes import SECRET, served_openi

ASKED = ["reproduce", "openi", "--models", "real,constant,noise", "--task", "T->F,F->T"]
ACCEPTED = [*ASKED, "--accept", "openi-pictures", "--workers", "1"]


def archive() -> Path:
    return cache_folder() / "data" / "openi-pictures" / "NLMCXR_png.tgz"


def test_the_plan_says_bytes_hours_and_disk_and_neither_asks_nor_writes(tmp_path, capsys):
    with served_openi(tmp_path / "served", 4) as server:
        out = tmp_path / "out"
        assert main([*ASKED, "--out", str(out), "--dry-run"]) == 0
        shown = capsys.readouterr().out
        for part in (
            "about 1,400.0 MB, missing",
            f"{server.url}/NLMCXR_png.tgz",
            "accept it with --accept openi-pictures",
            "about 7,470 pictures",
            "about 2,975 studies",
            "real: 2 tasks to run",
            "constant: 1 tasks to run",
            "GB of disk",
            "hours on one core",
        ):
            assert part in shown
        assert not server.asked
        assert not out.exists()
        assert main([*ASKED, "--out", str(out), "--dry-run", "--json"]) == 0
        plan = json.loads(capsys.readouterr().out)
        assert [stage["name"] for stage in plan["stages"]] == [
            "fetch", "unpack", "prepare", "run", "bundle",
        ]  # fmt: skip
        assert plan["disk"] == sum(stage["to_come"] for stage in plan["stages"])
        assert main([*ASKED, "--out", str(out)]) == 2
        assert "--accept openi-pictures" in capsys.readouterr().err
        assert not server.asked


def test_results_are_of_equal_studies_and_the_tables_stand_beside_the_papers(made):
    bundle, root = made
    manifest = json.loads((bundle / BUNDLE_NAME).read_bytes())
    results = {p: Result.load(bundle / p) for p in manifest["files"] if p.startswith("results/")}
    assert sorted(results) == [
        "results/constant/F-to-T.json",
        *(f"results/{m}/{t}.json" for m in ("noise", "real") for t in ("F-to-T", "T-to-F")),
    ]
    assert {result.track.n for result in results.values()} == {48}
    assert {result.track.version for result in results.values()} == {"1-pictures"}
    for name in ("II", "III", "IV", "V"):
        table = (bundle / "tables" / f"{name}.md").read_text()
        assert "other data, not comparable" in table
        assert "CoDi_XR" in table
        assert "openi test, n=48" in table
    lock = json.loads((bundle / "lock.json").read_bytes())
    assert [one["name"] for one in lock["assets"]] == [
        "openi-pictures", "inception", "xrv", "xrv-chex",
    ]  # fmt: skip
    assert lock["assets"][0]["files"][0]["sha256"] == _sha256(archive())
    assert root == _sha256(bundle / BUNDLE_NAME)


def test_no_word_name_or_row_of_a_study_is_in_a_bundle(made):
    bundle, _ = made
    for path in bundle.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert path.suffix in (".json", ".md", ".sh")
            for word in (SECRET, "CXR1", "CXR4", "IM-00", "basilar", str(bundle.parent.parent)):
                assert word.encode() not in content, path.name


def test_the_same_command_again_fetches_and_scores_nothing_and_makes_the_same_bundle(
    served, made, capsys, monkeypatch
):
    bundle, root = made
    asked = len(served.asked)
    (bundle / "tables" / "II.md").write_text("edited")
    (bundle / "left-over.txt").write_text("of another run")
    # What is here needs no network.
    monkeypatch.setenv("CODIXR_OFFLINE", "1")
    assert main([*ASKED, "--workers", "1", "--out", str(bundle.parent), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"bundle": str(bundle), "sha256": root}
    assert len(served.asked) == asked
    assert not (bundle / "left-over.txt").exists()
    assert main(["verify", str(bundle), "--root", root]) == 0


def test_a_corrupted_file_and_a_changed_one_are_refused_with_both_hashes(tmp_path, capsys):
    with served_openi(tmp_path / "served", 4) as server:
        arguments = [*ACCEPTED, "--out", str(tmp_path / "out")]
        weights = WEIGHTS["xrv"].file_name
        published = server.files[f"/{weights}"]
        server.files[f"/{weights}"] = published[:-1] + b"!"
        assert main(arguments) == 2
        said = capsys.readouterr().err
        for content in (published, server.files[f"/{weights}"]):
            assert hashlib.sha256(content).hexdigest() in said
        assert not (tmp_path / "out").exists()
        server.files[f"/{weights}"] = published
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(stages, "_run", _stop)
            with pytest.raises(StopError):
                main(arguments)
        good = _sha256(archive())
        content = bytearray(archive().read_bytes())
        content[1000] ^= 1
        archive().write_bytes(bytes(content))
        capsys.readouterr()
        assert main(arguments) == 2
        said = capsys.readouterr().err
        assert good in said
        assert _sha256(archive()) in said


def test_a_folder_of_somebody_s_own_in_the_bundle_s_place_is_left_alone(made, tmp_path, capsys):
    out = tmp_path / "openi"
    shutil.copytree(made[0].parent, out)
    (out / "bundle" / BUNDLE_NAME).unlink()
    (out / "bundle" / "thesis.txt").write_text("mine")
    assert main([*ASKED, "--workers", "1", "--out", str(out)]) == 2
    assert "no bundle: move it away" in capsys.readouterr().err
    assert (out / "bundle" / "thesis.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["reproduce", "opnei"], "did you mean 'openi'"),
        (["reproduce", "mimic-cxr"], "--data DIR"),
        (["reproduce", "openi", "--models", "constnat"], "did you mean 'constant'"),
        (["reproduce", "openi", "--models", ","], "names none"),
        (["reproduce", "openi", "--models", "retrieval"], "needs training studies"),
        (["reproduce", "openi", "--metrics", "blue"], "bleu"),
        (["reproduce", "openi", "--task", "F->F"], "F"),
    ],
)
def test_bad_input_is_told_before_anything_is_fetched(arguments, said, tmp_path, capsys):
    out = tmp_path / "out"
    with served_openi(tmp_path / "served", 4) as server:
        assert main([*arguments, "--out", str(out)]) == 2
        assert said in capsys.readouterr().err
        assert not server.asked
        assert not out.exists()


def test_two_models_of_one_name_are_refused(tmp_path, capsys):
    with served_openi(tmp_path / "served", 4):
        models = "constant,codixr_bench.models.constant:ConstantModel"
        assert main(["reproduce", "openi", "--models", models]) == 2
        assert "both called 'constant'" in capsys.readouterr().err


STAGES = (
    "served/cache/data/openi-pictures/.NLMCXR_png.tgz.part",
    "served/cache/data/openi-pictures/NLMCXR_png.tgz",
    "out/.pictures.part",
    "out/pictures/unpacked.json",
    "out/data",
    "out/data/manifest.json",
    "out/runs/real/T-to-F/samples",
    "out/runs/real/F-to-T/result.json",
    "out/runs/noise/T-to-F/samples",
    "out/.bundle.part/results",
)
"""What is there when a run is killed by -9: ten places, in their order."""


@pytest.mark.slow
def test_a_run_that_was_killed_ten_times_makes_the_same_bundle(made, tmp_path, capsys):
    # 17 s, and the bundle that it is held against: ten starts, each to its place.
    arguments = [*ACCEPTED, "--out", str(tmp_path / "out")]
    with served_openi(tmp_path / "served") as server:
        server.pause = 0.05
        kills = 0
        for k, place in enumerate(STAGES):
            if (tmp_path / place).exists():
                continue  # a fast machine was past it before it was killed
            kills += 1
            killed(main, arguments, sign=tmp_path / place, delay=0.002 * k)
            assert not (tmp_path / "out" / "bundle" / BUNDLE_NAME).exists()
        assert kills >= 8
        capsys.readouterr()
        assert main([*arguments, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["sha256"] == made[1]
    theirs, ours = made[0], tmp_path / "out" / "bundle"
    assert _tree(ours) == _tree(theirs)


@pytest.mark.slow
def test_a_kill_between_any_two_files_of_a_bundle_is_mended_by_the_same_command(made, tmp_path):
    out = tmp_path / "openi"
    shutil.copytree(made[0].parent, out)
    arguments = [*ASKED, "--workers", "1", "--out", str(out)]
    for name in sorted(p.relative_to(made[0]) for p in made[0].rglob("*") if p.is_file())[::4]:
        shutil.rmtree(out / "bundle", ignore_errors=True)
        shutil.rmtree(out / ".bundle.part", ignore_errors=True)
        process = FORK.Process(target=main, args=(arguments,))
        process.start()
        while process.is_alive() and not (out / ".bundle.part" / name).exists():
            pass
        process.kill()
        process.join()
    assert main(arguments) == 0
    assert _tree(out / "bundle") == _tree(made[0])


class StopError(Exception):
    """Ends a command in a test."""


def _stop(*_: object) -> None:
    raise StopError


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _tree(folder: Path) -> dict[str, str]:
    return {p.relative_to(folder).as_posix(): _sha256(p) for p in folder.rglob("*") if p.is_file()}

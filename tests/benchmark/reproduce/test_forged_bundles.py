"""A bundle with one edit is refused: by its hashes, and sealed anew by what follows from what."""

import json
import random
from pathlib import Path

import pytest

from codixr_bench.cli import main
from codixr_bench.reproduce.checking import check_bundle
from codixr_bench.reproduce.manifest import BUNDLE_NAME
from helpers.bundle_edits import copied, edit, edit_text, leaves, seal

PICTURES, REPORTS = "results/noise/T-to-F.json", "results/noise/F-to-T.json"
SUMS, LOCK = "sums/noise/T-to-F.json", "lock.json"
DIGEST = "0" * 64


def in_score(file: Path, name: str, *rest):
    """The place of a field of a score in a result."""
    names = [score["name"] for score in json.loads(file.read_bytes())["scores"]]
    return ("scores", names.index(name), *rest)


def test_fifty_edits_of_fifty_are_found_by_the_hashes(made, tmp_path):
    bundle, _ = made
    rng = random.Random(0)
    files = sorted(p for p in bundle.rglob("*") if p.is_file())
    fields = [
        (path.relative_to(bundle).as_posix(), place)
        for path in files
        if path.suffix == ".json"
        for place, _ in leaves(json.loads(path.read_bytes()))
    ]
    planted = rng.sample(fields, 40)
    texts = [p.relative_to(bundle).as_posix() for p in files if p.suffix in (".md", ".sh")]
    found = 0
    for file, place in planted:
        copy = copied(bundle, tmp_path / "copy")
        edit(copy, file, place)
        found += refused(copy)
    for file in (rng.choice(texts) for _ in range(10)):
        copy = copied(bundle, tmp_path / "copy")
        content = bytearray((copy / file).read_bytes())
        content[rng.randrange(len(content))] ^= 1
        (copy / file).write_bytes(bytes(content))
        found += refused(copy)
    assert found == 50


def refused(bundle: Path) -> bool:
    """Whether the command refuses it, in words."""
    return main(["verify", str(bundle)]) in (1, 2)


SEALED = {
    "a distance": (PICTURES, "fid_inception", ("value",)),
    "the lower end of its interval": (PICTURES, "fid_inception", ("ci95", 0)),
    "the upper end of its interval": (PICTURES, "fid_xrv", ("ci95", 1)),
    "its n": (PICTURES, "fid_xrv", ("n",)),
    "its direction": (PICTURES, "fid_xrv", ("higher_is_better",)),
    "its signature": (PICTURES, "fid_xrv", ("signature",)),
    "the radiomic distance": (PICTURES, "frd", ("value",)),
    "micro AUROC": (PICTURES, "auroc_micro", ("value",)),
    "macro AUROC": (PICTURES, "auroc_macro", ("value",)),
    "weighted AUROC": (PICTURES, "auroc_weighted", ("value",)),
    "a class's AUROC": (PICTURES, "auroc_macro", ("per_class", "Cardiomegaly", "value")),
    "a class's positives": (PICTURES, "auroc_macro", ("per_class", "Cardiomegaly", "n_pos")),
    "a second judge's AUROC": (PICTURES, "chex_auroc_macro", ("value",)),
    "a second judge's class": (
        PICTURES, "chex_auroc_macro", ("per_class", "Lung Opacity", "value"),
    ),
    "micro F1": (PICTURES, "f1_micro", ("value",)),
    "macro F1": (PICTURES, "f1_macro", ("value",)),
    "BLEU-1": (REPORTS, "bleu_1", ("value",)),
    "BLEU-4": (REPORTS, "bleu_4", ("value",)),
    "matching words": (REPORTS, "bleu_1", ("counts", "match_1")),
    "the references' length": (REPORTS, "bleu_2", ("counts", "ref_len")),
    "sacrebleu": (REPORTS, "sacrebleu", ("value",)),
    "ROUGE": (REPORTS, "rouge_l", ("value",)),
    "label F1": (REPORTS, "label_f1_micro", ("value",)),
    "macro label F1": (REPORTS, "label_f1_macro", ("value",)),
    "non-reports": (REPORTS, "non_report_share", ("value",)),
    "sides": (REPORTS, "attribute_f1_side", ("value",)),
    "a reason": (PICTURES, "fid_xrv_other", ("reason",)),
    "the reason of a class": (PICTURES, "auroc_macro", ("per_class", "Edema", "reason")),
    "the signature of a null": (PICTURES, "fid_xrv_other", ("signature",)),
    "a score's name": (PICTURES, "fid_xrv_other", ("name",)),
    "the words of another order": (REPORTS, "bleu_3", ("counts", "total_1")),
    "a skill": (REPORTS, "rouge_l", ("skill", "value")),
    "the constant of a skill": (REPORTS, "rouge_l", ("skill", "constant")),
    "the ceiling of a skill": (REPORTS, "rouge_l", ("skill", "ceiling")),
}  # fmt: skip
"""Of a score: the file, its name, the field."""
FIELDS = {
    "the task": (PICTURES, ("task",), lambda _: "L->F"),
    "the fingerprint": (PICTURES, ("track", "fingerprint"), lambda _: DIGEST),
    "the track": (PICTURES, ("track", "version"), lambda _: "2"),
    "the studies": (PICTURES, ("track", "n"), lambda n: n + 1),
    "the model": (PICTURES, ("model", "name"), lambda _: "codixr"),
    "the model's version": (PICTURES, ("model", "version"), lambda _: "2"),
    "a checkpoint": (PICTURES, ("model", "checkpoint_sha256"), lambda _: DIGEST),
    "the seed": (PICTURES, ("generation", "seed"), lambda n: n + 1),
    "the coverage": (PICTURES, ("coverage", "scored"), lambda n: n - 1),
    "a library": (PICTURES, ("environment", "packages", "torch"), lambda _: "2.0.0"),
    "the code": (PICTURES, ("code", "version"), lambda _: "9"),
    "a time": (PICTURES, ("timings",), lambda _: {"score": 1.0}),
    "a warning left out": (PICTURES, ("warnings",), lambda found: found[1:]),
    "a sum": (SUMS, ("scores", "frd", "sum"), lambda x: x + 1),
    "squares": (SUMS, ("scores", "fid_xrv", "squares"), lambda x: x * 1.01),
    "fourth powers": (SUMS, ("scores", "fid_xrv", "fourths"), lambda x: x / 100),
    "sums left out": (SUMS, ("scores",), lambda s: dict(list(s.items())[1:])),
    "studies of sums": (SUMS, ("studies",), lambda n: n + 1),
    "patients of sums": (SUMS, ("draws",), lambda n: n - 1),
    "pairs": (SUMS, ("pairs", "auroc_macro", "Cardiomegaly", "right"), lambda n: n + 1),
    "positives": (SUMS, ("pairs", "auroc_macro", "Cardiomegaly", "positives"), lambda n: n + 1),
    "pairs left out": (SUMS, ("pairs",), lambda _: {}),
    "weights": (LOCK, ("assets", 1, "files", 0, "sha256"), lambda _: DIGEST),
    "what weights should be": (LOCK, ("assets", 1, "files", 0, "published"), lambda _: DIGEST),
    "whose weights": (LOCK, ("assets", 1, "given"), lambda _: True),
    "a size": (LOCK, ("assets", 1, "files", 0, "bytes"), lambda n: n + 1),
    "a licence": (LOCK, ("assets", 0, "licence"), lambda _: "MIT"),
    "a signature": ("signatures.json", ("F->T", "bleu_1"), lambda _: ["bleu|order:1-1"]),
    "an environment": ("environment.json", (0, "environment", "python"), lambda _: "3.13.0"),
    "the models": (BUNDLE_NAME, ("models", 2, "spec"), lambda _: "codixr"),
    "the options": (BUNDLE_NAME, ("options",), lambda found: [*found, "--limit", "10"]),
    "the tasks": (BUNDLE_NAME, ("tasks",), lambda found: found[1:]),
    "a task more": (BUNDLE_NAME, ("tasks",), lambda found: [*found, "L->F"]),
    "the kind of studies": (BUNDLE_NAME, ("simulated",), lambda _: True),
}
"""Of another field: the file, its place, what becomes of it."""
TEXTS = {
    "Table II": ("tables/II.md", "| noise | ", "| noise | 0"),
    "Table III": ("tables/III.md", "Real Data", "Real data"),
    "Table IV": ("tables/IV.md", "printed", "measured"),
    "Table V": ("tables/V.md", "n=48", "n=480"),
    "the command": ("commands.sh", "--seed 0", "--seed 1"),
    "the README": ("README.md", "No picture", "A picture"),
}
ALL = [*SEALED, *FIELDS, *TEXTS]


def test_the_bundle_itself_is_fine(made):
    checked = check_bundle(*made)
    assert checked.faults == ()
    assert len(checked.results) == 5
    assert checked.recomputed > 60


@pytest.mark.parametrize("what", ALL)
def test_an_edit_that_was_sealed_anew_stands_against_the_other_numbers(what, forged):
    if what in SEALED:
        file, name, rest = SEALED[what]
        edit(forged, file, in_score(forged / file, name, *rest))
    elif what in FIELDS:
        edit(forged, *FIELDS[what])
    else:
        edit_text(forged, *TEXTS[what])
    seal(forged)
    faults = check_bundle(forged).faults
    assert faults
    assert not [fault for fault in faults if "it was changed" in fault], "the seal is right"


def test_more_than_fifty_sealed_edits_are_tried():
    assert len(set(ALL)) == len(ALL) >= 50


UNSEEN = {
    "the archive's sha256": (LOCK, ("assets", 0, "files", 0, "sha256")),
    "the prepared data's": (LOCK, ("data", "manifest_sha256")),
    "the split's commitment": (LOCK, ("data", "commitment")),
}


@pytest.mark.parametrize("what", UNSEEN)
def test_what_nothing_else_says_is_found_by_the_sha256_that_the_maker_told(what, forged, made):
    file, place = UNSEEN[what]
    edit(forged, file, place, lambda _: DIGEST)
    assert seal(forged) != made[1]
    assert check_bundle(forged).faults == ()
    (fault,) = check_bundle(forged, made[1]).faults
    assert made[1] in fault
    assert main(["verify", str(forged), "--root", made[1]]) == 1


def _add(bundle: Path) -> None:
    (bundle / "notes.txt").write_text("of nobody")


def _hide(bundle: Path) -> None:
    (bundle / "results" / "noise" / ".hidden.json").write_text("{}")


def _remove(file: str):
    return lambda bundle: (bundle / file).unlink()


def _link(bundle: Path) -> None:
    outside = bundle.parent / "outside.md"
    (bundle / "README.md").replace(outside)
    (bundle / "README.md").symlink_to(outside)


def _link_folder(bundle: Path) -> None:
    outside = bundle.parent / "outside"
    (bundle / "tables").rename(outside)
    (bundle / "tables").symlink_to(outside)


def _swap_models(bundle: Path) -> None:
    _swap(bundle / "results/noise", bundle / "results/real")
    _swap(bundle / "sums/noise", bundle / "sums/real")


def _swap_sums(bundle: Path) -> None:
    _swap(bundle / "sums/noise/F-to-T.json", bundle / "sums/constant/F-to-T.json")


def _swap_results(bundle: Path) -> None:
    _swap(bundle / "results/noise/F-to-T.json", bundle / "results/noise/T-to-F.json")
    _swap(bundle / "sums/noise/F-to-T.json", bundle / "sums/noise/T-to-F.json")


def _swap(one: Path, other: Path) -> None:
    aside = one.with_name("aside")
    one.rename(aside)
    other.rename(one)
    aside.rename(other)


def _drop_result(bundle: Path) -> None:
    (bundle / "results/constant/F-to-T.json").unlink()
    (bundle / "sums/constant/F-to-T.json").unlink()


def _copy_result(bundle: Path) -> None:
    for kind in ("results", "sums"):
        (bundle / kind / "better").mkdir()
        content = (bundle / kind / "real/F-to-T.json").read_bytes()
        (bundle / kind / "better/F-to-T.json").write_bytes(content)


def _twice(bundle: Path) -> None:
    more = '"coverage": {"expected": 1, "scored": 1},'
    edit_text(bundle, REPORTS, '"coverage": {', more + '"coverage": {')


def _spaces(file: str):
    def change(bundle: Path) -> None:
        content = json.loads((bundle / file).read_bytes())
        (bundle / file).write_text(json.dumps(content))

    return change


def _manifest(change):
    def changed(bundle: Path) -> None:
        path = bundle / BUNDLE_NAME
        manifest = json.loads(path.read_bytes())
        change(manifest)
        path.write_text(json.dumps(manifest, indent=1) + "\n")

    return changed


def _outside(manifest) -> None:
    manifest["files"]["../outside.md"] = {"bytes": 0, "sha256": DIGEST}


def _of_patient(field: str, text: str):
    def change(bundle: Path) -> None:
        for file in (REPORTS, PICTURES):
            edit(bundle, file, ("generation",), lambda found: {**found, field: text})

    return change


ATTACKS = {
    "a file more": _add,
    "a hidden file more": _hide,
    "a sum's file less": _remove(SUMS),
    "the lock less": _remove(LOCK),
    "a table less": _remove("tables/III.md"),
    "the README less": _remove("README.md"),
    "a link to a file outside": _link,
    "a link to a folder outside": _link_folder,
    "two models under each other's names": _swap_models,
    "two models' sums": _swap_sums,
    "two tasks' files": _swap_results,
    "a result left out": _drop_result,
    "a model that is another's results": _copy_result,
    "a key that stands twice": _twice,
    "not a number": lambda bundle: edit_text(bundle, SUMS, '"squares": ', '"squares": NaN, "x": '),
    "a field more": lambda bundle: edit_text(bundle, SUMS, "{\n", '{\n "note": "x",\n'),
    "a result of other bytes": _spaces(REPORTS),
    "sums of other bytes": _spaces(SUMS),
    "a lock of other bytes": _spaces(LOCK),
    "a manifest of other bytes": _spaces(BUNDLE_NAME),
    "not UTF-8": lambda bundle: (bundle / SUMS).write_bytes(b"\xff\xfe{}"),
    "a huge file": lambda bundle: (bundle / "README.md").write_bytes(b"a" * 1_100_000),
    "brackets in brackets": lambda bundle: (bundle / LOCK).write_text("[" * 9999),
    "a path that leads outside": _manifest(_outside),
    "another form of manifest": _manifest(lambda found: found.update(schema_version=2)),
    "no models": _manifest(lambda found: found.update(models=[])),
    "prose in a setting": _of_patient("prompt", "Small right pleural effusion is seen today"),
    "a path in a setting": _of_patient("checkpoint", "/home/somebody/models/best"),
    "an identifier in a setting": _of_patient("first", "s50414267"),
}
UNSEALED = (
    "a manifest of other bytes",
    "a path that leads outside",
    "another form of manifest",
    "no models",
)
"""Of the manifest itself."""


@pytest.mark.parametrize("what", ATTACKS)
def test_a_forger_who_seals_anew_is_refused_in_words(what, forged, capsys):
    ATTACKS[what](forged)
    if what not in UNSEALED:
        seal(forged)
    assert main(["verify", str(forged)]) in (1, 2)
    shown = capsys.readouterr()
    said = shown.out + shown.err
    assert "Traceback" not in said
    for words in ("effusion is seen", "somebody", "50414267"):
        assert words not in said


def test_a_folder_without_a_manifest_is_no_bundle(forged, capsys):
    (forged / BUNDLE_NAME).unlink()
    assert main(["verify", str(forged)]) in (1, 2)
    assert main(["verify", str(forged), "--root", DIGEST]) == 2
    assert "--root is of a bundle" in capsys.readouterr().err


def test_what_a_check_says_is_the_same_as_json(made, capsys):
    bundle, root = made
    assert main(["verify", str(bundle), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["checked"], shown["refused"]) == (1, 0)
    assert shown["files"][0]["sha256"] == root
    assert main(["verify", str(bundle), "--root", root.upper()]) == 0
    assert "scores computed anew" in capsys.readouterr().out

"""A hundred forgeries of a committed row: each is refused, or no file alone can show it."""

import copy
import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest

from codixr.data.labels import PATHOLOGIES
from codixr.errors import InputError
from codixr_bench.registry import facts_of
from codixr_leaderboard.ownership import taken_name
from codixr_leaderboard.submission import submission_of
from helpers.submission_fakes import Json

RESULTS = Path(__file__).parents[2] / "leaderboard" / "results" / "phantom"
ROW = json.loads((RESULTS / "codixr.json").read_text())
TASK = "L->F+T"
NUMBER = next(i for i, result in enumerate(ROW["results"]) if result["task"] == TASK)
SCORES = [score["name"] for score in ROW["results"][NUMBER]["scores"]]
NOT_RECOMPUTED = {
    name
    for name in SCORES
    if name.startswith(("fid", "kid", "auroc_micro", "rouge", "non_report", "clip", "report_image",
                        "copies", "authpct", "testable", "diversity", "template", "distinct",
                        "plain_gap", "own_wording", "repeats", "frd", "judge_gap", "served_share",
                        "attribute_f1", "image_attribute", "second_auroc_micro",
                        "precision", "coverage", "anatomy"))
}  # fmt: skip
"""Of these only value and interval are in the file: nobody can check both moved together."""
Forge = Callable[[Json], None]


def result_of(row: Json) -> Json:
    return row["results"][NUMBER]


def score_of(row: Json, name: str) -> Json:
    return next(score for score in result_of(row)["scores"] if score["name"] == name)


def better(name: str, value: float) -> float:
    facts = facts_of(name)
    assert facts is not None
    if not facts.higher_is_better:
        return value * 0.5 if value else -1.0
    if math.isinf(facts.highest):
        return value + abs(value) * 0.5
    return value + (facts.highest - value) * 0.5 if value < facts.highest else facts.highest + 1.0


def value_alone(name: str) -> Forge:
    def forge(row: Json) -> None:
        score = score_of(row, name)
        score["value"] = score["ci95"][0 if facts_of(name).higher_is_better else 1] * 1.5 + 9.0

    return forge


def with_its_interval(name: str) -> Forge:
    def forge(row: Json) -> None:
        score = score_of(row, name)
        new = better(name, score["value"])
        width = score["ci95"][1] - score["ci95"][0]
        score["ci95"] = [new - min(width / 2, abs(new) / 2), new]
        score["value"] = new
        skill = score["skill"]
        if skill and skill["value"] is not None:
            bottom, top = skill["constant"], skill["ceiling"]
            half = (skill["ci95"][1] - skill["ci95"][0]) / 2
            skill["value"] = (new - bottom) / (top - bottom)
            skill["ci95"] = [skill["value"] - half, skill["value"] + half]

    return forge


def of_class(name: str, label: str, change: Callable[[Json], None]) -> Forge:
    return lambda row: change(score_of(row, name)["per_class"][label])


def perfect(one: Json) -> None:
    one["value"], one["ci95"] = 1.0, [0.9999, 1.0]


def fewer_misses(one: Json) -> None:
    one["counts"]["tp"] += 3
    one["counts"]["fn"] -= 3
    counts = one["counts"]
    one["value"] = 2 * counts["tp"] / (2 * counts["tp"] + counts["fp"] + counts["fn"])
    one["ci95"] = [0.0, 1.0]


def easier_class(one: Json) -> None:
    one["n_pos"] -= 5
    one["n_neg"] += 5


def put(*path: str | int, to: object) -> Forge:
    def forge(row: Json) -> None:
        inside: Json = row
        for part in path[:-1]:
            inside = inside[part]
        inside[path[-1]] = to

    return forge


def inner(*path: str | int, to: object) -> Forge:
    return put("results", NUMBER, *path, to=to)


def of_score(name: str, field: str, to: object) -> Forge:
    return lambda row: score_of(row, name).update({field: to})


def count(name: str, key: str, by: int) -> Forge:
    def forge(row: Json) -> None:
        score_of(row, name)["counts"][key] += by

    return forge


def signature(name: str, old: str, new: str) -> Forge:
    def forge(row: Json) -> None:
        score = score_of(row, name)
        assert old in score["signature"]
        score["signature"] = score["signature"].replace(old, new)

    return forge


def added(**fields: object) -> Forge:
    def forge(row: Json) -> None:
        extra = copy.deepcopy(score_of(row, "auroc_micro")) | fields
        result_of(row)["scores"].append(extra)

    return forge


def twice(row: Json) -> None:
    row["results"].append(copy.deepcopy(result_of(row)))


def renamed(name: str) -> Forge:
    def forge(row: Json) -> None:
        row["model"] = name
        for result in row["results"]:
            result["model"]["name"] = name

    return forge


TEXT = {
    "a sentence": "no acute cardiopulmonary process seen today",
    "markup": "<b>best</b>",
    "a script": "javascript:alert",
    "a link": "https://x.org",
    "a path": "/home/me/x",
    "an identifier": "s50414267",
    "a date": "2026-01-01",
    "a formula": "=cmd|x",
    "a right-to-left mark": "best\u202emodel",
    "a zero-width space": "be\u200bst",
    "Cyrillic": "\u0441\u043edixr",
}

FORGERIES: dict[str, Forge] = {
    **{f"{name} alone": value_alone(name) for name in SCORES},
    **{f"{name} and its interval": with_its_interval(name) for name in SCORES
       if name not in NOT_RECOMPUTED},
    **{f"perfect AUROC of {label}": of_class("auroc_macro", label, perfect)
       for label in PATHOLOGIES if label not in ("Pleural Effusion", "Edema")},
    **{f"fewer misses of {label}": of_class("f1_macro", label, fewer_misses)
       for label in PATHOLOGIES},
    **{f"an easier {label}": of_class("label_f1_macro", label, easier_class)
       for label in PATHOLOGIES},
    **{f"version: {name}": inner("model", "version", to=text) for name, text in TEXT.items()},
    **{f"setting: {name}": inner("generation", "note", to=text) for name, text in TEXT.items()},
    "a shorter reference": count("bleu_4", "ref_len", -5000),
    "more matches": count("bleu_4", "match_4", 500),
    "fewer n-grams": count("bleu_4", "total_4", -5000),
    "n-grams out of nothing": count("bleu_4", "total_2", 9000),
    "fewer studies": inner("track", "n", to=1000),
    "another split": inner("track", "split", to="val"),
    "another fingerprint": inner("track", "fingerprint", to="a" * 64),
    "another version of the track": inner("track", "version", to="3"),
    "a track of one's own": inner("track", "name", to="phantom-2"),
    "samples left out": inner("coverage", "scored", to=1990),
    "half the samples expected": inner("coverage", "expected", to=1000),
    "a score of few studies": of_score("fid_phantom", "n", 300),
    "a score of more studies": of_score("fid_phantom", "n", 3000),
    "another judge": signature("fid_phantom", "phantom-judge-F", "my-judge"),
    "other weights": signature("fid_phantom", "weights:", "weights:0"),
    "another threshold": signature("f1_macro", "thr:f1max-on-real-val", "thr:f1max-on-test"),
    "another policy": signature("label_f1_macro", "u-zeros", "u-ones"),
    "another order": signature("bleu_4", "order:1-4", "order:1-1"),
    "another average": signature("auroc_macro", "avg:macro", "avg:micro"),
    "a signature of another metric": of_score("fid_phantom", "signature", "kid|x:y|n:2000"),
    "the direction turned round": of_score("fid_phantom", "higher_is_better", True),
    "no interval": of_score("fid_phantom", "ci95", None),
    "a point for an interval": lambda row: score_of(row, "fid_phantom").update(
        ci95=[score_of(row, "fid_phantom")["value"]] * 2
    ),
    "an interval upside down": lambda row: score_of(row, "fid_phantom")["ci95"].reverse(),
    "a distance below 0": lambda row: score_of(row, "fid_phantom").update(
        value=-5.0, ci95=[-6.0, -4.0]
    ),
    "a share above 1": lambda row: score_of(row, "auroc_micro").update(value=1.2, ci95=[1.1, 1.3]),
    "an infinite value": of_score("auroc_micro", "value", 1e308),
    "no first score": of_score("fid_phantom", "name", "fid_xrv"),
    "a score of nobody": added(name="my_score"),
    "a score of another view": added(name="auroc_micro[L]"),
    "a task twice": twice,
    "a task that there is not": inner("task", to="F->F"),
    "a date to come": put("submitted", to="2027-01-01"),
    "a date before the leaderboard": put("submitted", to="1999-01-01"),
    "an owner with a space": put("owner", to="a b"),
    "an owner that is a path": put("owner", to="../x"),
    "another model in a result": inner("model", "name", to="other"),
    "a checkpoint that is no digest": inner("model", "checkpoint_sha256", to="best"),
    "an unknown field": inner("notes", to="x"),
    "a package of one's own": inner("environment", "packages", "mine", to="1"),
    "a name in Greek": renamed("codiχr"),
    "a name with a control mark": renamed("codixr\u200e"),
}  # fmt: skip


def refusal(row: Json) -> str:
    """Why a row is refused; empty where it is not."""
    path = RESULTS / "codixr.json"
    try:
        submission_of(json.dumps(row).encode(), path)
    except InputError as error:
        return str(error)
    return ""


def test_there_are_a_hundred_and_the_row_itself_is_fine() -> None:
    assert len(FORGERIES) >= 100
    assert refusal(copy.deepcopy(ROW)) == ""


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forgery_is_refused_with_its_reason(name: str) -> None:
    row = copy.deepcopy(ROW)
    FORGERIES[name](row)
    assert row != ROW
    reason = refusal(row)
    assert "is refused:\n  " in reason or "'" in reason, name
    for text in TEXT.values():
        assert text not in reason


@pytest.mark.parametrize("name", sorted(NOT_RECOMPUTED))
def test_what_no_file_alone_can_show_is_accepted_as_reported(name: str) -> None:
    """The pages call every such row self-reported."""
    row = copy.deepcopy(ROW)
    score = score_of(row, name)
    if score["value"] in (0.0, 1.0):
        pytest.skip("already at its best")
    with_its_interval(name)(row)
    assert refusal(row) == ""


def test_the_reference_points_names_are_taken() -> None:
    for name in ("real", "rea1", "noise", "constant", "CoDi_XR (paper)"):
        assert taken_name(name, "somebody", [])

"""Result files whose own arithmetic holds, as a run of the phantom track leaves them."""

import json
import math
from datetime import date
from pathlib import Path
from typing import Any

from codixr.data.labels import PATHOLOGIES
from codixr_bench.result import Result
from codixr_bench.track import Track
from codixr_leaderboard import site
from codixr_leaderboard.printed import TRACK, printed_rows
from codixr_leaderboard.standing import Badge, Standing
from codixr_leaderboard.submission import Submission, slug
from codixr_leaderboard.truths import Truth, truths_of

SIMULATED = Track.load("phantom")
PHANTOM = SIMULATED.submissions
N = 2000
JUDGE = PHANTOM.signatures["auroc F"].removeprefix("clf:")
Json = dict[str, Any]


def truth(key: str) -> Truth:
    """What the track's split says of a kind of score, e.g. ``auroc F``."""
    known = truths_of("phantom")
    assert known is not None
    return known.scores[key][0]


def score(name: str, value: float | None, signature: str, **more: Any) -> Json:
    width = 0.05 * abs(value or 0.0)
    return {
        "name": name,
        "value": value,
        "reason": None,
        "ci95": None if value is None else [value - width, min(value + width, 1e9)],
        "n": N,
        "higher_is_better": not name.startswith("fid"),
        "per_class": {},
        "counts": {},
        "floor": None,
        "signature": f"{signature}|n:{N}",
        **more,
    }


def picture_scores(quality: float = 0.7) -> list[Json]:
    """``fid_phantom``, AUROC and F1 of a frontal view: better with a higher quality in (0, 1)."""
    classes, aurocs = {}, {}
    for name in PATHOLOGIES:
        positives, negatives = truth("auroc F").classes[name]
        hits = round(positives * quality)
        false = round(50 * (1 - quality))
        counts = {"tp": hits, "fp": false, "fn": positives - hits, "tn": negatives - false}
        value = 2 * hits / (2 * hits + false + positives - hits)
        base = {"reason": None, "n_pos": positives, "n_neg": negatives}
        ci95 = [value * 0.95, min(1.0, value * 1.05)]
        classes[name] = {**base, "value": value, "ci95": ci95, "counts": counts}
        area = 0.5 + 0.49 * quality
        aurocs[name] = {**base, "value": area, "ci95": [area - 0.01, area + 0.01], "counts": None}
    found = [score("fid_phantom", 40 * (1 - quality), f"fid|backbone:{JUDGE}|ref:same-studies")]
    for family, of, end in (
        ("auroc", aurocs, "labels:known"),
        ("f1", classes, "thr:f1max-on-real-val|labels:known"),
    ):
        positives = sum(c["n_pos"] for c in of.values())
        summed = {k: sum(c["counts"][k] for c in classes.values()) for k in ("tp", "fp", "fn")}
        micro = 2 * summed["tp"] / (2 * summed["tp"] + summed["fp"] + summed["fn"])
        averages = {
            "micro": micro if family == "f1" else 0.5 + 0.4 * quality,
            "macro": sum(c["value"] for c in of.values()) / len(of),
            "weighted": sum(c["value"] * c["n_pos"] for c in of.values()) / positives,
        }
        for average, value in averages.items():
            signature = f"{family}|avg:{average}|clf:{JUDGE}|{end}"
            interval = [value * 0.98, min(1.0, value * 1.02)]
            one = score(f"{family}_{average}", value, signature, ci95=interval)
            found.append({**one, "per_class": of if average == "macro" else {}})
    return found


def report_scores(quality: float = 0.7) -> list[Json]:
    """BLEU-1 to 4 and label F1 of reports."""
    found = []
    counts = {"hyp_len": 55_000, "ref_len": truth("bleu_4 T").counts["ref_len"]}
    for order in range(1, 5):
        counts[f"total_{order}"] = 55_000 - 2000 * (order - 1)
        counts[f"match_{order}"] = round(counts[f"total_{order}"] * quality**order)
        logs = [math.log(counts[f"match_{o}"] / counts[f"total_{o}"]) for o in range(1, order + 1)]
        value = math.exp(sum(logs) / order + 1 - counts["ref_len"] / counts["hyp_len"])
        signature = f"bleu|order:1-{order}|case:lc|tok:wordpunct|smooth:none|nrefs:1"
        found.append(score(f"bleu_{order}", value, signature, counts=dict(counts)))
    classes = {}
    labels = truth("label_f1 T")
    for name in (*PATHOLOGIES, "No Finding"):
        positives, negatives = labels.classes[name]
        hits = round(positives * quality)
        cells = {"tp": hits, "fp": 20, "fn": positives - hits, "tn": negatives - 20}
        value = 2 * hits / (hits + 20 + positives)
        classes[name] = {
            "value": value, "reason": None, "ci95": [value * 0.9, min(1.0, value * 1.1)],
            "n_pos": positives, "n_neg": negatives, "counts": cells,
        }  # fmt: skip
    summed = {k: sum(c["counts"][k] for c in classes.values()) for k in ("tp", "fp", "fn")}
    weights = sum(c["n_pos"] for c in classes.values())
    averages = {
        "micro": 2 * summed["tp"] / (2 * summed["tp"] + summed["fp"] + summed["fn"]),
        "macro": sum(classes[name]["value"] for name in PATHOLOGIES) / len(PATHOLOGIES),
        "weighted": sum(c["value"] * c["n_pos"] for c in classes.values()) / weights,
    }
    for average, value in averages.items():
        signature = (
            f"label_f1|avg:{average}|{'|'.join(labels.when)}|uncertain:u-zeros|"
            "classes:ten+No Finding"
        )
        one = score(f"label_f1_{average}", value, signature)
        one["ci95"] = [value * 0.98, min(1.0, value * 1.02)]
        found.append({**one, "per_class": classes if average == "macro" else {}})
    return found


def result_json(task: str = "T->F", model: str = "my-model", quality: float = 0.7) -> Json:
    """A result file of the whole test split."""
    made = report_scores(quality) if task.endswith("T") else picture_scores(quality)
    return {
        "schema_version": 1,
        "task": task,
        "track": {
            "name": "phantom",
            "version": SIMULATED.version,
            "fingerprint": PHANTOM.fingerprint,
            "split": "test",
            "n": N,
        },
        "model": {"name": model, "version": "1.0", "checkpoint_sha256": "ab" * 32},
        "generation": {"seed": 0, "steps": 12, "guidance": 2.0, "preset": "tiny"},
        "coverage": {"expected": N, "scored": N},
        "scores": made,
        "environment": {
            "python": "3.11.2",
            "platform": "Linux-x86_64-glibc2.36",
            "packages": {"torch": "2.11.0"},
        },
        "timings": {"generate": 10.5, "score": 20.25},
        "code": {"version": "0.1.0", "commit": "0" * 40},
    }


def a_result(task: str = "T->F", model: str = "my-model", quality: float = 0.7) -> Result:
    return Result.model_validate(result_json(task, model, quality))


DAY = date(2026, 1, 2)


PRINTED = {TRACK: list(printed_rows().values())}


def submission(model: str, quality: float, *tasks: str, day: date = DAY) -> Submission:
    results = tuple(a_result(task, model, quality) for task in tasks or ("T->F",))
    return Submission(model=model, submitted=day, results=results)


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def write(folder: Path, content: Json | bytes, name: str = "result.json") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return path


def checked(sent: list[Submission]) -> dict[tuple[str, str, str], Standing]:
    """As if the statistics of all of them had been checked."""
    return {
        (one.track, slug(one.model), result.task): Standing(Badge.CHECKED)
        for one in sent
        for result in one.results
    }


def build_pages(sent: list[Submission], printed: dict, out: Path) -> int:
    return site.build_pages(sent, printed, out, checked(sent))

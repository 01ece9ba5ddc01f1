"""Our rules against the original's labels. Rules were tuned on six tenths of the reports only."""

import csv
import hashlib
import io
from collections import Counter

from codixr.data.labels import OBSERVATIONS
from codixr_bench.cli import main
from codixr_bench.labeler.rules import label_report

from .conftest import TABLE, cells, openi_sections, rows, shared


def is_held_out(key: str) -> bool:
    """A part that the rules were not tuned on."""
    return int(hashlib.md5(key.encode()).hexdigest(), 16) % 10 >= 6


def count(kind: str) -> dict[str, Counter]:
    """part -> right and all, of hard cells, cells not blank, all cells, hard by observation."""
    folder = shared("openi-labels")
    sure = {row[0]: row[1:] for row in rows(folder / f"{kind}_agreement.csv")[1:]}
    texts = openi_sections()[kind]
    counts: dict[str, Counter] = {"tuned on": Counter(), "held out": Counter()}
    for name, *values in rows(folder / f"{kind}.csv")[1:]:
        of = counts["held out" if is_held_out(name) else "tuned on"]
        pairs = zip(cells(values), label_report(texts[name]), sure[name], OBSERVATIONS, strict=True)
        for reference, ours, agreement, observation in pairs:
            same = reference == ours
            keys = ["all"]
            if reference is not None or ours is not None:
                keys.append("mentioned")
                if float(agreement) == 1.0:
                    keys += ["hard", observation]
            of.update(dict.fromkeys(keys, 1))
            of.update({(key, "same"): same for key in keys})
    return counts


def share(counts: Counter, key: str) -> float:
    return counts[key, "same"] / counts[key] if counts[key] else 1.0


def test_labels_agree_with_the_original_on_real_reports():
    pooled: dict[str, Counter] = {"tuned on": Counter(), "held out": Counter()}
    by_kind: dict[str, Counter] = {}
    for kind in ("impression", "findings"):
        counted = count(kind)
        by_kind[kind] = counted["tuned on"] + counted["held out"]
        for part, counts in counted.items():
            pooled[part] += counts
            TABLE.append(
                f"{kind:10} {part:9} sure cells {share(counts, 'hard'):.4f} ({counts['hard']:,})   "
                f"not blank {share(counts, 'mentioned'):.4f} ({counts['mentioned']:,})   "
                f"all {share(counts, 'all'):.4f} ({counts['all']:,})"
            )
            assert share(counts, "hard") >= 0.98
            assert share(counts, "mentioned") >= 0.95
            assert share(counts, "all") >= 0.995
    together = pooled["tuned on"] + pooled["held out"]
    by_kind["together"] = together
    for name in OBSERVATIONS:
        parts = {**pooled, **by_kind}
        TABLE.append(
            f"    {name:28}"
            + "   ".join(f"{part} {share(c, name):.3f} ({c[name]:,})" for part, c in parts.items())
        )
    low = {
        (part, name): share(counts, name)
        for part, counts in by_kind.items()
        for name in OBSERVATIONS
        if counts[name] >= 30 and share(counts, name) < 0.97
    }
    assert not low


def test_labels_agree_with_the_original_on_the_sentences_of_every_rule():
    for part in (False, True):
        same = total = 0
        for text, *values, variants in rows(shared("openi-labels") / "sentences.csv")[1:]:
            if variants != "4" or is_held_out(text) != part:
                continue
            for reference, ours in zip(cells(values), label_report(text), strict=True):
                if reference is not None or ours is not None:
                    total += 1
                    same += reference == ours
        name = "held out" if part else "tuned on"
        TABLE.append(f"sentences  {name:9} not blank {same / total:.4f} ({total})")
        assert same / total >= 0.97


def test_the_originals_published_rows_come_out_byte_for_byte(tmp_path):
    folder = shared("chexpert-labeler-samples")
    out = tmp_path / "labels.csv"
    assert main(["label", str(folder / "sample_reports.csv"), "-o", str(out)]) == 0
    assert out.read_bytes() == (folder / "labeled_reports.csv").read_bytes()
    assert len(list(csv.reader(io.StringIO(out.read_text())))) == 5


def test_the_labels_of_phantom_reports_are_the_truth():
    from codixr.data.labels import PATHOLOGIES
    from codixr.data.phantom import PhantomDataset
    from codixr.data.phantom.grammar import labels_from_report

    dataset = PhantomDataset("test", limit=2000)
    reports = dataset.reports()[:2000]
    wrong = 0
    for report in reports:
        truth, ours = labels_from_report(report), label_report(report)
        for name in PATHOLOGIES:
            got = ours[OBSERVATIONS.index(name)]
            wrong += (truth[name] or None) != (got or None)
    assert len(reports) == 2000
    assert wrong == 0

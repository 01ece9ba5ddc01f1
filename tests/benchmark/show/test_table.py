import io
import re

import numpy as np
import pytest
from rich.console import Console

from codixr.modality import Modality
from codixr_bench.backbones.phantom_judge import judge_pass
from codixr_bench.metrics.distances import FEATURES
from codixr_bench.registry import facts_of, family_warnings
from codixr_bench.result import Coverage, ModelInfo, Result, TrackInfo, make_result
from codixr_bench.score import ClassScore, ResultWarning, Score, Skill
from codixr_bench.show.table import first_of, print_summary, print_table, skill
from codixr_bench.task import Task
from helpers.metric_fakes import example_scores

TRACK = TrackInfo(name="phantom", version="1", fingerprint="0" * 64, split="test", n=2000)


def result(task="L+T->F", model="codixr", value=0.9, scored=2000, track=TRACK):
    parsed = Task.parse(task)
    return make_result(
        task=parsed,
        track=track,
        model=ModelInfo(name=model, version="0.1.0"),
        generation={"seed": 0},
        coverage=Coverage(expected=2000, scored=scored),
        scores=example_scores("T" in parsed.outputs, value),
        timings={},
    )


def shown(show, *arguments, width=80, encoding="utf-8", **options):
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    show(*arguments, console=Console(file=stream, width=width), **options)
    stream.flush()
    return stream.buffer.getvalue().decode(encoding)


def line_of(text, start):
    return next(line.split() for line in text.splitlines() if line.startswith(start))


def test_a_row_has_value_direction_interval_n_and_the_scale_beside():
    scale = [result(model="real", value=0.987), result(model="noise", value=0.501)]
    text = shown(print_table, result(), scale)
    assert "L+T->F · codixr 0.1.0 · phantom test, 2,000 studies" in text
    assert line_of(text, "score") == ["score", "value", "95", "%", "interval", "n", "real", "noise"]
    row = line_of(text, "auroc_macro")
    assert row == ["auroc_macro", "↑", "0.900", "0.880", "–", "0.930", "20", "0.987", "0.501"]
    assert line_of(text, "fid_phantom")[:3] == ["fid_phantom", "↓", "35.25"]
    assert line_of(text, "  unrelated real, same n")[-3:] == ["7.50", "–", "10.50"]


def test_a_skill_of_nothing_has_no_sign():
    facts = {"name": "bleu_4", "value": 0.5, "n": 20, "higher_is_better": True, "signature": "s"}
    for value, text in ((-0.004, "0.00"), (-0.006, "-0.01"), (1.0, "1.00")):
        of = Skill(value=value, constant=0.1, ceiling=1.0, of="real")
        assert skill(Score(**facts, skill=of)) == text


def test_pathologies_go_by_their_short_names_and_unscored_ones_say_why():
    text = shown(print_table, result(), [result(model="real", value=1.0)])
    heads = line_of(text, "pathology")
    assert heads[1:] == [
        "Atl.",
        "Cmgl.",
        "Cnsl.",
        "Edm.",
        "Enl.",
        "Les.",
        "Opc.",
        "Eff.",
        "Pnm.",
        "Ptx.",
    ]
    assert line_of(text, "AUROC ↑ codixr")[3:] == [".900"] * 8 + ["–", ".900"]
    assert line_of(text, "        real")[1] == "1.00"
    assert "Pneumonia: not scored: all known labels are absent" in text


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "latin-1"])
def test_it_fits_80_columns_in_any_terminal(encoding):
    scale = [result(model="a-model-with-a-very-long-name-indeed"), result(model="noise")]
    text = shown(print_table, result(), scale, encoding=encoding)
    assert max(map(len, text.splitlines())) <= 80
    tasks = ("L+T->F", "F->T")
    several = [result(task) for task in tasks]
    text = shown(print_summary, several, [result(t, "noise") for t in tasks], encoding=encoding)
    assert max(map(len, text.splitlines())) <= 80


def test_a_pipe_gets_no_colour():
    assert "\x1b" not in shown(print_table, result())


def test_a_scale_of_other_studies_is_left_out():
    other = TRACK.model_copy(update={"fingerprint": "1" * 64})
    text = shown(
        print_table, result(), [result("T->F", "real"), result(model="noise", track=other)]
    )
    assert line_of(text, "score")[-1] == "n"


def test_a_null_shows_its_reason_and_missing_samples_are_counted():
    text = shown(print_table, result("F->T", scored=1999))
    assert line_of(text, "label_f1_macro")[2] == "–"
    assert "label_f1_macro: not scored: no labeler yet" in text
    assert "1,999 of 2,000 samples scored" in text


def test_a_summary_has_a_row_a_task_output_and_model():
    tasks = ("L+T->F", "F->T", "L->F+T")
    results = [result(task) for task in tasks[:2]] + [result("T->L")]
    text = shown(print_summary, results, [result(task, "noise", 0.5) for task in tasks[:2]])
    assert line_of(text, "L+T->F") == ["L+T->F", "F", "codixr", "35.25", "0.900"]
    assert line_of(text, "F->T") == ["F->T", "T", "codixr", "0.500", "–"]
    assert text.count("noise") == 2
    assert "bleu_4" not in text


LONG = "a-model-with-a-very-long-name-indeed"


def test_names_are_cut_only_where_there_is_no_room():
    scale = [result(model=LONG, value=0.5)]
    assert LONG in shown(print_table, result(), scale, width=200)
    narrow = shown(print_table, result(), scale, width=80)
    assert LONG not in narrow
    assert "a-mo" in narrow


def test_a_pipe_shows_names_whole(capsys, monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    print_table(result(model=LONG))
    assert f"AUROC ↑ {LONG}" in capsys.readouterr().out


def test_no_number_is_cut_however_narrow():
    text = shown(print_table, result(value=0.99961), [result(model="real")], width=40)
    assert max(map(len, text.splitlines())) <= 60
    assert ".9996" in text
    assert "0.9996" in text
    assert not re.search(r"\d…", text)


def test_a_mean_over_classes_of_unlike_n_is_not_printed():
    classes = {
        name: ClassScore(value=value, ci95=(value, value), n_pos=n, n_neg=9)
        for name, value, n in (("Edema", 8.31, 60), ("Fracture", 0.0, 900))
    }
    mean = Score(
        name="fid_by_class_phantom", value=4.155, ci95=(4.0, 4.3), n=2000, higher_is_better=False,
        per_class=classes, signature="fid_by_class|n:2000",
    )  # fmt: skip
    text = shown(print_table, result().model_copy(update={"scores": (mean,)}))
    assert line_of(text, "fid_by_class_phantom") == ["fid_by_class_phantom", "↓", "–", "2,000"]
    assert line_of(text, "Fréchet distance")[-2:] == ["8.31", ".00"]
    assert "4.1" not in text


def test_a_distance_of_fewer_pictures_than_features_says_so():
    few = [
        Score(name=name, value=9.0, ci95=(8.0, 10.0), n=n, higher_is_better=False, signature="fid")
        for name, n in (("fid_phantom", 64), ("fid_inception", 2047))
    ]
    text = shown(print_table, warned(few), width=200)
    assert "small_n: fid_phantom: n = 64 is fewer than the network's 128 features" in text
    assert "fid_inception: n = 2,047 is fewer than the network's 2,048 features" in text
    enough = [few[0].model_copy(update={"n": 128})]
    text = shown(print_table, warned(enough), width=200)
    assert "fewer than" not in text


def test_a_file_of_before_the_warnings_shows_what_its_scores_warn_of():
    few = Score(name="fid_phantom", value=9.0, ci95=(8.0, 10.0), n=64, higher_is_better=False,
                signature="fid")  # fmt: skip
    raw = result().model_copy(update={"scores": (few,)}).content()
    del raw["warnings"]
    text = shown(print_table, Result.model_validate(raw), width=200)
    assert "small_n: fid_phantom: n = 64" in text


def test_a_warning_that_takes_the_rank_says_so():
    above = ResultWarning.of("above_real", ["auroc_macro"], ["= 0.0010"], value=0.001, limit=0.01)
    text = shown(print_table, result().model_copy(update={"warnings": (above,)}), width=200)
    assert "above_real: auroc_macro: better than the real studies themselves (p = 0.0010)" in text
    assert "a result with this takes no rank" in text


def warned(scores):
    update = {"scores": tuple(scores), "warnings": tuple(family_warnings(scores))}
    return result().model_copy(update=update)


def many():
    """A result of eleven more scores than the example's, none of them primary."""
    more = tuple(
        Score(name=f"extra_{n}", value=0.5, ci95=(0.4, 0.6), n=2000, higher_is_better=True,
              signature="x")
        for n in range(11)
    )  # fmt: skip
    null = Score(name="extra_null", value=None, ci95=None, n=0, higher_is_better=True,
                 signature="x", reason="no weights")  # fmt: skip
    return result().model_copy(update={"scores": (*result().scores, *more, null)})


def test_a_long_table_of_a_run_begins_with_the_primary_scores_and_tells_of_the_rest(tmp_path):
    above = ResultWarning.of("above_real", ["extra_1"], ["0.0010"], value=0.001, limit=0.01)
    long = many().model_copy(update={"warnings": (above,)})
    text = shown(print_table, long, folder=tmp_path / "a run", width=200)
    primary = [s for s in long.scores if (f := facts_of(s.name)) and f.primary]
    for score in long.scores:
        assert (f"\n{score.name} " in text) is (score in primary)
    assert "above_real: extra_1" in text
    left = len(long.scores) - len(primary)
    assert f"+ {left} more scores and 1 more note: codixr-bench show '{tmp_path}/a run'" in text
    everything = shown(print_table, long, width=200)
    assert all(f"\n{score.name} " in everything for score in long.scores)
    assert "more scores" not in everything


def test_a_short_table_and_one_without_a_primary_score_are_whole(tmp_path):
    assert first_of(result()) == result()
    extra = many().model_copy(update={"scores": many().scores[-12:]})
    assert first_of(extra) == extra


def test_the_number_of_features_is_the_networks():
    pictures = np.random.default_rng(0).random((2, 1, 64, 64), dtype=np.float32)
    assert judge_pass(Modality.F).features(pictures).shape[1] == FEATURES["phantom"]

import pickle
import warnings

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from nltk.tokenize import wordpunct_tokenize
from nltk.translate.bleu_score import corpus_bleu as nltk_corpus_bleu
from sacrebleu.metrics.bleu import BLEU as SACREBLEU

from codixr.data.study import Study
from codixr.errors import InputError
from codixr.modality import Modality
from codixr_bench.metrics.bleu import BLEU, corpus_bleu, ngram_counts, tokenize
from codixr_bench.metrics.sums import SummedMetric
from codixr_bench.statistics.bootstrap import resample_weights
from codixr_bench.task import Task
from helpers.metric_fakes import by_name, scored_in, shards, studies_and_samples

STUDIES, SAMPLES = studies_and_samples(50)
WORDS = st.sampled_from(["No", "pleural", "effusion", "edema,", "T1/T2", "clear.", "\n", "Ödem"])
REPORTS = st.lists(WORDS, max_size=9).map(" ".join)


def study(report):
    return Study(study_id="x", subject_id="x", split="test", report=report)


def scores_of(hypotheses, references):
    metric = SummedMetric(BLEU)
    samples = [{Modality.T: hypothesis} for hypothesis in hypotheses]
    metric.update(range(len(samples)), [study(reference) for reference in references], samples)
    return by_name(metric.compute())


def by_nltk(hypotheses, references):
    """Cumulative BLEU-1..4 by NLTK itself."""
    tokens = [
        [wordpunct_tokenize(text.lower()) for text in side] for side in (hypotheses, references)
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [
            nltk_corpus_bleu([[reference] for reference in tokens[1]], tokens[0], [1 / k] * k)
            for k in range(1, 5)
        ]


@given(text=st.text(max_size=40))
@example(text="Heart-size is NORMAL; T1/T2 3.5cm (see above)...\n\tÉpanchement  İ")
def test_tokens_are_nltks(text):
    assert tokenize(text) == wordpunct_tokenize(text.lower())


@given(pairs=st.lists(st.tuples(REPORTS, REPORTS.filter(str.strip)), min_size=1, max_size=8))
@example(pairs=[("", "a b c d")])
@example(pairs=[("a b c d", "a b c d"), ("", "x y"), ("a", "a")])
@example(pairs=[("a b", "b a")])
def test_equals_nltk_and_sacrebleu(pairs):
    hypotheses, references = zip(*pairs, strict=True)
    scores = scores_of(hypotheses, references)
    for k, expected in enumerate(by_nltk(hypotheses, references), start=1):
        assert scores[f"bleu_{k}"].value == pytest.approx(expected, abs=1e-12)
    peer = SACREBLEU().corpus_score(list(hypotheses), [list(references)]).score
    assert scores["sacrebleu"].value == pytest.approx(peer, abs=1e-9)


def test_a_long_corpus_equals_nltk():
    hypotheses, references = ([s[Modality.T] for s in SAMPLES], [s.report for s in STUDIES])
    scores = scores_of(hypotheses, references)
    expected = by_nltk(hypotheses, references)
    assert 0.01 < expected[3] < expected[0] < 0.9
    for k in range(1, 5):
        assert scores[f"bleu_{k}"].value == pytest.approx(expected[k - 1], abs=1e-12)
    assert scores["sacrebleu"].signature.startswith("sacrebleu|scale:100|nrefs:1|case:mixed|eff:no")


def test_a_resample_equals_nltk_on_the_repeated_reports():
    hypotheses, references = ([s[Modality.T] for s in SAMPLES], [s.report for s in STUDIES])
    counts = np.array(
        [
            ngram_counts(tokenize(h), tokenize(r))
            for h, r in zip(hypotheses, references, strict=True)
        ]
    )
    for drawn in resample_weights(50, 5):
        again = np.repeat(np.arange(50), drawn)
        expected = by_nltk([hypotheses[i] for i in again], [references[i] for i in again])
        np.testing.assert_allclose(corpus_bleu(drawn[None] @ counts)[0], expected, atol=1e-12)


def test_copies_score_1_and_100():
    reports = [s.report + " no acute disease is seen." for s in STUDIES]
    scores = scores_of(reports, reports)
    for name, best in {"bleu_1": 1.0, "bleu_4": 1.0, "sacrebleu": 100.0}.items():
        assert scores[name].value == pytest.approx(best)
        low, high = scores[name].ci95
        # Fifty reports without a fault: a real interval, as any share of 50 has one.
        assert high == pytest.approx(best)
        assert 0.9 < low / best < 0.99


def test_without_a_match_the_interval_is_no_point():
    none = scores_of(["a b c d e f"] * 40, ["u v w x y z"] * 40)
    for score in none.values():
        low, high = score.ci95
        assert low == score.value == 0.0
        assert 0 < high / (100 if score.name == "sacrebleu" else 1) < 0.2
    # Words match, and no run of four: BLEU-4 is 0, and could be more.
    some = scores_of(["a b c d e f"] * 40, ["f e d c b a"] * 40)
    assert some["bleu_4"].value == 0.0
    assert 0 < some["bleu_4"].ci95[1] < some["bleu_1"].ci95[0]
    assert some["bleu_4"].signature.endswith("|n:40|ci:product-mid-p")


def test_empty_reports_count_as_empty():
    half = scores_of(["no acute disease is seen", ""], ["no acute disease is seen"] * 2)
    assert half["bleu_1"].value == pytest.approx(5 / 6 * np.exp(1 - 10 / 5))
    none = scores_of(["", " \n"], ["clear lungs"] * 2)
    assert {score.value for score in none.values()} == {0.0}
    assert none["bleu_1"].n == 2


@settings(max_examples=20)
@given(split=shards(len(STUDIES)))
def test_any_split_into_shards_gives_the_same_scores(split):
    whole = SummedMetric(BLEU)
    whole.update(range(len(STUDIES)), STUDIES, SAMPLES)
    merged = pickle.loads(
        pickle.dumps(scored_in(split, lambda: SummedMetric(BLEU), STUDIES, SAMPLES))
    )
    assert merged.compute() == whole.compute()
    for name, column in whole.statistics().items():
        np.testing.assert_array_equal(merged.statistics()[name], column)


def test_statistics_are_counts_and_no_text():
    metric = SummedMetric(BLEU)
    metric.update(range(len(STUDIES)), STUDIES, SAMPLES)
    columns = metric.statistics()
    assert len(columns) == 20
    assert all(name.startswith("bleu.") and column.dtype == np.int64 and len(column) == 50
               for name, column in columns.items())  # fmt: skip
    assert columns["bleu.ref_len"][0] == len(tokenize(STUDIES[0].report))


@pytest.mark.parametrize("report", [None, "", " \n"])
def test_a_study_without_a_report_is_named_by_its_position(report):
    with pytest.raises(InputError, match="study at position 7 has no report"):
        SummedMetric(BLEU).update([7], [study(report)], [{Modality.T: "clear"}])


def test_a_sample_without_a_report_is_named_by_its_position():
    with pytest.raises(InputError, match="sample at position 7 has no report"):
        SummedMetric(BLEU).update([7], [study("clear")], [{}])


def test_it_applies_to_tasks_that_make_reports():
    assert SummedMetric(BLEU).applies_to(Task.parse("L->F+T"))
    assert not SummedMetric(BLEU).applies_to(Task.parse("L+T->F"))
    assert SummedMetric(BLEU).compute()[0].reason == "no study was scored"

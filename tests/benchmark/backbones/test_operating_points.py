import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score, recall_score

from codixr.errors import InputError
from codixr_bench.backbones.operating_points import POLICIES, operating_points


@st.composite
def cases(draw):
    """Scores with ties, labels 1, 0 and unknown, with both kinds."""
    n = draw(st.integers(4, 40))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    labels = rng.choice([0, 1, -1, -2], p=[0.5, 0.3, 0.1, 0.1], size=(n, 1)).astype(np.int8)
    labels[:2, 0] = (0, 1)
    return rng.integers(0, 9, size=(n, 1)) / 8, labels


def reached(quality, scores, labels, cut):
    known = labels[:, 0] >= 0
    return quality(labels[known, 0] == 1, scores[known, 0] >= cut)


def youden(truth, called):
    return recall_score(truth, called) + recall_score(~truth, ~called) - 1


@pytest.mark.parametrize(
    ("policy", "quality"), [("f1max-on-real-val", f1_score), ("youden-on-real-val", youden)]
)
@settings(max_examples=30, deadline=None)
@given(case=cases())
def test_no_other_cut_is_better(policy, quality, case):
    scores, labels = case
    (point,) = operating_points(policy, scores, labels, ["x"])
    best = max(reached(quality, scores, labels, cut) for cut in np.unique(scores))
    assert reached(quality, scores, labels, point) == pytest.approx(best)


@settings(max_examples=30, deadline=None)
@given(case=cases())
def test_ppv80_is_the_most_sensitive_cut_that_is_precise_enough(case):
    scores, labels = case
    known = labels[:, 0] >= 0
    truth, values = labels[known, 0] == 1, scores[known, 0]
    (point,) = operating_points("ppv80-on-real-val", scores, labels, ["x"])
    cuts = {cut: truth[values >= cut].mean() for cut in np.unique(values)}
    precise = [cut for cut, precision in cuts.items() if precision >= 0.8]
    if precise:
        assert (truth & (values >= point)).sum() == (truth & (values >= min(precise))).sum()
        assert truth[values >= point].mean() >= 0.8
    else:
        assert truth[values >= point].mean() == pytest.approx(max(cuts.values()))


def test_a_threshold_lies_midway_to_the_next_score_and_ties_stay_together():
    scores = np.array([[0.9], [0.6], [0.6], [0.2], [0.1]])
    labels = np.array([[1], [1], [1], [0], [0]], dtype=np.int8)
    for policy in POLICIES:
        assert operating_points(policy, scores, labels, ["x"]) == pytest.approx([0.4])


def test_unknown_labels_do_not_move_it():
    scores = np.array([[0.9], [0.8], [0.3], [0.1]])
    labels = np.array([[1], [-1], [0], [0]], dtype=np.int8)
    (point,) = operating_points("f1max-on-real-val", scores, labels, ["x"])
    assert point == pytest.approx(0.6)


def test_a_class_that_cannot_be_tuned_is_named():
    labels = np.array([[1, 0], [0, 0]], dtype=np.int8)
    with pytest.raises(InputError, match="2 known labels of 'Edema' are all of one kind"):
        operating_points("f1max-on-real-val", np.zeros((2, 2)), labels, ["Cardiomegaly", "Edema"])
    with pytest.raises(InputError, match="operating point 'best' is unknown; known: f1max"):
        operating_points("best", np.zeros((2, 1)), labels[:, :1], ["x"])

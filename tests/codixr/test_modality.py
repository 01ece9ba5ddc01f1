import pickle

import pytest

from codixr.modality import Modality


def test_the_three_modalities_come_in_the_papers_order():
    assert list(Modality) == ["F", "L", "T"]


def test_the_views_are_images_and_the_report_is_not():
    assert [m.is_image for m in Modality] == [True, True, False]


def test_a_modality_can_be_used_wherever_its_letter_can():
    assert {Modality.F: 1}["F"] == 1
    assert "+".join(Modality) == "F+L+T"
    assert pickle.loads(pickle.dumps(Modality.L)) is Modality.L


def test_the_paper_s_r_is_the_report():
    assert Modality("R") is Modality.T


@pytest.mark.parametrize("letter", ["f", "r", "", "FL"])
def test_nothing_else_is_a_modality(letter):
    with pytest.raises(ValueError, match="not a valid Modality"):
        Modality(letter)

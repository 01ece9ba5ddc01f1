"""Negatives that are the picture's own report with one word exchanged."""

import pytest
import torch
from torch.nn.functional import cross_entropy, normalize

from codixr.data.exchanges import SIDES, exchanged, one_exchanged
from codixr.modality import Modality
from codixr.training.contrastive import NONE, info_nce
from codixr.training.prompt_encoders import near_misses

REPORT = "Mild right upper zone opacity. Small left effusion."


def test_one_word_is_exchanged_at_each_of_its_places() -> None:
    assert one_exchanged(REPORT, SIDES) == [
        "Mild left upper zone opacity. Small left effusion.",
        "Mild right upper zone opacity. Small right effusion.",
    ]
    assert exchanged("RIGHT lung, Left base", SIDES) == "LEFT lung, Right base"
    assert one_exchanged("no finding", SIDES) == []


def test_a_lateral_view_is_not_asked_for_sides() -> None:
    for text in near_misses(REPORT, Modality.L, 3, 9):
        assert "right upper" in text or "right lower" in text
        assert "left effusion" in text
    assert len(near_misses(REPORT, Modality.F, 3, 9)) == 5
    some = near_misses(REPORT, Modality.F, 3, 2)
    assert len(set(some)) == 2
    assert some == near_misses(REPORT, Modality.F, 3, 2)
    assert {tuple(near_misses(REPORT, Modality.F, i, 2)) for i in range(30)} > {tuple(some)}


def test_near_misses_are_further_negatives_of_the_picture_alone() -> None:
    torch.manual_seed(0)
    a, b = (normalize(torch.randn(4, 8), dim=1) for _ in range(2))
    near = torch.tensor([[0.9, NONE], [0.1, 0.2], [NONE, NONE], [0.0, 0.3]])
    rows = torch.arange(4)
    expected = cross_entropy(10 * a @ b.T, rows)
    expected += cross_entropy(torch.cat([10 * b @ a.T, 10 * near], dim=1), rows)
    assert info_nce(a, b, 10.0, near).item() == pytest.approx(expected.item(), rel=1e-6)
    none, heat = torch.full((4, 2), NONE), torch.tensor(10.0, requires_grad=True)
    assert info_nce(a, b, heat, none).item() == pytest.approx(info_nce(a, b, 10.0).item())
    info_nce(a, b, heat, near).backward()
    assert torch.isfinite(heat.grad)

"""Variants of training reports: the same sentences, another order, fewer, the other side."""

import re

import torch

from codixr.data.exchanges import SIDES, exchanged
from codixr.data.phantom import PhantomDataset
from codixr.training.draw import Draw
from codixr.training.report_vae import cut, one_variant
from codixr.training.report_variants import variants


def sentences(report: str) -> list[str]:
    return sorted(re.findall(r"[^.]+\.", report.replace(". ", ".")))


def test_a_variant_has_no_sentence_of_another_report() -> None:
    reports = PhantomDataset("train", limit=200).reports()
    kinds = set()
    for row in variants(reports, 6, seed=3):
        assert len(row) == len(reports)
        for report, text in zip(reports, row, strict=True):
            own = sentences(report)
            other = sentences(exchanged(report, SIDES))
            assert set(sentences(text)) <= set(own) or set(sentences(text)) <= set(other)
            assert len(own) - 1 <= len(sentences(text)) <= len(own)
            assert text.strip()
            kinds |= {
                (text == report, len(sentences(text)) < len(own), set(sentences(text)) <= set(own))
            }
    assert len(kinds) == 5
    assert variants(reports, 2, seed=3) == variants(reports, 6, seed=3)[:2]
    assert variants(reports, 2, seed=4) != variants(reports, 2, seed=3)


def test_abbreviations_and_upper_case_stay_whole() -> None:
    reports = ["LEFT EFFUSION. Approx. 2.5 cm nodule", "Clear.", ""]
    seen = {text for row in variants(reports, 40, seed=0) for text in row}
    assert "RIGHT EFFUSION. Approx. 2.5 cm nodule" in seen
    assert {"Clear.", ""} <= seen
    assert not any("2. 5" in text or text == "5 cm nodule RIGHT" for text in seen)


def test_a_batch_is_cut_to_its_longest_variant() -> None:
    ids = torch.arange(1, 25).view(2, 2, 6)
    mask = torch.zeros_like(ids)
    mask[0, 1, :4] = 1
    mask[1, 0, :2] = 1
    short, real = cut(ids, mask)
    assert short.shape == real.shape == (2, 2, 4)
    assert torch.equal(short, ids[..., :4])


def test_a_step_learns_one_variant_of_each_report() -> None:
    seen: list[list[int]] = []
    numbers = torch.arange(16).view(4, 4, 1)
    batch = {"ids": numbers, "wanted": numbers}
    batch |= {name: torch.ones_like(numbers) for name in ("mask", "real")}
    for step in range(20):
        chosen = one_variant(batch, Draw(0, step, 4))
        assert torch.equal(chosen["ids"], chosen["wanted"])
        seen.append(chosen["ids"][:, 0].tolist())
    assert all(n // 4 == row for some in seen for row, n in enumerate(some))
    assert {n % 4 for some in seen for n in some} == {0, 1, 2, 3}

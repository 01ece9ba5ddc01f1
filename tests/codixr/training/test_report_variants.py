"""A report VAE learns other reports beside each one, and reads a batch up to its longest one."""

from typing import Any

import numpy as np
import torch

from codixr.model import components, presets
from codixr.training import report_vae
from codixr.training.draw import Draw
from codixr.training.report_variants import variant, variants

REPORT = "No edema. Small left effusion. Severe right upper zone opacity."


def test_variants_have_the_report_s_own_sentences() -> None:
    own = {"No edema.", "Small left effusion.", "Severe right upper zone opacity."}
    other = {"No edema.", "Small right effusion.", "Severe left upper zone opacity."}
    seen = set()
    for seed in range(60):
        text = variant(REPORT, np.random.default_rng(seed))
        sentences = [s + "." for s in text.rstrip(".").split(". ")]
        assert set(sentences) <= own or set(sentences) <= other
        assert len(sentences) == len(set(sentences)) >= 2
        seen.add(text)
    assert len(seen) > 12
    assert any(text.startswith("Severe left") for text in seen)


def test_what_has_nothing_to_vary_stays_as_it_is() -> None:
    for text in ("Clear lungs at 2.5 cm.", "No end", ""):
        assert {variant(text, np.random.default_rng(i)) for i in range(9)} == {text}


def test_a_report_s_variants_are_its_own_whatever_stands_beside_it() -> None:
    many = variants([REPORT, "Large right effusion. No edema."], 3, 7)
    assert [of_all[0] for of_all in many] == [of_all[0] for of_all in variants([REPORT], 3, 7)]
    assert many != variants([REPORT, "Large right effusion. No edema."], 3, 8)


def test_padding_that_all_reports_share_changes_no_loss() -> None:
    torch.manual_seed(0)
    vae: Any = components.BUILDERS["report_vae"](presets.tiny(20)).eval()
    ids = torch.randint(4, 20, (3, 12))
    mask = torch.ones_like(ids)
    mask[:, 9:], mask[1, 5:] = 0, 0
    ids = ids.masked_fill(mask == 0, 0)

    def loss(told: tuple[torch.Tensor, torch.Tensor]) -> float:
        draw = Draw(0, 0, 3)
        found = report_vae.report_vae_loss(
            vae, told, told, draw, beta=0.01, word_drop=0.4, unknown=3, longest=12
        )
        return float(found["loss"].detach())

    short = report_vae.cut(ids, mask)
    assert short[0].shape == (3, 9)
    torch.testing.assert_close(loss(short), loss((ids, mask)))
    left = report_vae.cut(ids.flip(1), mask.flip(1))  # padded in front: nothing to cut
    assert left[0].shape == (3, 12)

"""Upper and lower case: every stage reads a report in the same one."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from codixr.data.study import Study
from codixr.modality import Modality
from codixr.model import components, presets
from codixr.model.tokenizer import Tokenizers, encode, save_tokenizers
from codixr.training import encoded
from codixr.training.folder import TrainingFolder
from codixr.training.recipes import PAPER
from codixr.training.stages import build
from helpers.tokenizers import cased_tokenizer

REPORTS = ["Large LEFT effusion.", "no effusion.", "Large left Effusion.", "NO EFFUSION."] * 3
LOWERED = [report.lower() for report in REPORTS]


class Studies:
    """Three kinds of reports in mixed case, and black pictures."""

    fingerprint, modalities = "of-the-data", frozenset(Modality)

    def __init__(self, reports: list[str]) -> None:
        self.split, self.texts = "train", reports

    def __len__(self) -> int:
        return len(self.texts)

    def __getitem__(self, index: int) -> Study:
        black = np.zeros((1, 64, 64), np.float32)
        text = self.texts[index]
        return Study(f"{index}", "one", "train", frontal=black, lateral=black, report=text)

    def reports(self) -> list[str]:
        return self.texts


@pytest.fixture
def start(tmp_path: Path) -> Path:
    """What ``--init`` takes: tiny's sizes under the paper's name, and words in either case."""
    folder = tmp_path / "start"
    tokenizer = cased_tokenizer([*REPORTS, *LOWERED])
    preset = replace(presets.tiny(len(tokenizer)), name="paper")
    save_tokenizers(Tokenizers.one_for_all(tokenizer), preset.tokenizers, folder)
    torch.manual_seed(0)
    for name in ("prompt_encoder", "report_vae", "image_vae"):
        components.save_component(components.BUILDERS[name](preset), folder / name)
    components.save_preset(preset, folder)
    return folder


def opened(out: Path, start: Path, reports: list[str], **settings: Any) -> TrainingFolder:
    data = lambda split: Studies(reports) if split == "train" else None  # noqa: E731
    return TrainingFolder(out, "paper", "data", data, 64, init=start, model_settings=settings)  # type: ignore[arg-type]


def test_what_every_stage_of_the_paper_reads_is_lower_cased(start: Path, tmp_path: Path) -> None:
    folder = opened(tmp_path / "out", start, REPORTS)
    assert folder.preset.tokenizers.lower_case
    for kind in ("prompt", "report_encoder", "report_decoder"):
        ids, _ = folder.tokens(kind, "train")
        assert torch.equal(ids, encode(folder.tokenizers.prompt, LOWERED, 77)[0])
    stage: Any = build(folder, "report-vae", replace(PAPER["report-vae"], steps=1, batch=4))
    learnt_from = stage.tokens["train"][0][0]
    assert torch.equal(learnt_from, folder.tokens("report_encoder", "train")[0])
    latents = encoded.latents(folder, Modality.T, "train", "report-ldm")
    assert np.array_equal(latents[0], latents[2])  # they differ in case only


def test_a_folder_may_keep_the_case(start: Path, tmp_path: Path) -> None:
    folder = opened(tmp_path / "out", start, REPORTS, lower_case=False)
    latents = encoded.latents(folder, Modality.T, "train", "report-ldm")
    assert not np.array_equal(latents[0], latents[2])


@pytest.mark.parametrize(("begun", "lower_case"), [(False, True), (True, False)])
def test_a_folder_of_before_goes_on_in_the_case_it_was_begun_in(
    start: Path, tmp_path: Path, begun: bool, lower_case: bool
) -> None:
    out = tmp_path / "out"
    opened(out, start, REPORTS)
    index = out / components.INDEX
    plain = json.loads(index.read_text())
    del plain["preset"]["tokenizers"]["lower_case"]
    index.write_text(json.dumps(plain["preset"]))
    (out / "stages" / "report-vae").mkdir(parents=True)
    (out / "stages" / "report-vae" / "config.json").write_text('{"lower_case": true}')
    if begun:
        (out / "stages" / "report-ldm").mkdir()
    assert opened(out, start, REPORTS).preset.tokenizers.lower_case is lower_case

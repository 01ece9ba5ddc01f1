"""A randomly initialised tiny model: the shipped code at the shipped size, without training."""

from pathlib import Path

import pytest
import torch

from codixr.model import components, presets
from codixr.model.pipeline import CoDiXRPipeline
from codixr.model.tokenizer import word_tokenizer

REPORTS = ["the lungs are clear.", "large left pleural effusion.", "no pneumothorax, stable."]


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with every component; zero-initialised layers get weights, or nothing would show."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("checkpoint")
    tokenizer = word_tokenizer(REPORTS)
    preset = presets.tiny(len(tokenizer))
    components.save_preset(preset, folder)
    tokenizer.save_pretrained(folder / "tokenizer")
    for name, build in components.BUILDERS.items():
        module = build(preset)
        for weight in module.parameters():
            if not weight.any():
                torch.nn.init.normal_(weight, std=0.05)
        components.save_component(module, folder / name, torch.float16)
    return folder


@pytest.fixture(scope="session")
def pipe(checkpoint: Path) -> CoDiXRPipeline:
    return CoDiXRPipeline.from_pretrained(checkpoint)

"""A denoiser's LoRA matrices, trained by its stage beside the weights of `--init`."""

from pathlib import Path

import pytest
import torch

pytest.importorskip("peft")

from codixr.commands.train import Request, train
from codixr.errors import InputError
from codixr.model import components, lora, pretrained
from codixr.model.pipeline import CoDiXRPipeline

QUICK = {"steps": "3", "batch": "4", "validate_every": "0", "tracker": "none", "warmup": "0"}


def request(out: Path, stage: str, init: Path | None, **settings: str) -> Request:
    return Request(
        stage=stage,
        preset="tiny",
        data="phantom",
        out=out,
        view="F" if stage == "image-ldm" else None,
        settings=QUICK | settings,
        init=init,
        limit=12,
        threads=1,
    )


@pytest.mark.parametrize(
    ("stage", "name"), [("image-ldm", "denoiser_f"), ("report-ldm", "denoiser_t")]
)
def test_only_the_matrices_learn_and_they_load_beside_the_weights_they_began_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str, name: str
) -> None:
    monkeypatch.setenv("CODIXR_CACHE", str(tmp_path / "cache"))
    out = tmp_path / "run"
    train(request(out, stage, pretrained.EMBEDDED, lora_rank="2", learning_rate="0.01"))
    before = components.load_component(
        components.load_preset(pretrained.EMBEDDED), name, pretrained.EMBEDDED
    ).state_dict()
    fused = components.load_component(components.load_preset(out), name, out)
    changed = {k for k, v in fused.state_dict().items() if not torch.equal(v, before[k])}
    assert changed
    assert all(".attn1.to_" in k or ".attn2.to_v" in k or ".attn2.to_out" in k for k in changed)
    pipe = CoDiXRPipeline.from_pretrained()
    pipe.load_lora_weights(out / "lora" / name)
    assert pipe.get_list_adapters() == {name: ["default"]}
    pipe.fuse_lora()
    for key, value in lora_free(pipe, name).items():
        torch.testing.assert_close(value, fused.state_dict()[key], atol=1e-5, rtol=1e-4)
    saved = list((out / "stages").glob("*/checkpoints/*.pt"))
    weights = sum(p.numel() for p in fused.parameters())
    assert saved
    assert max(path.stat().st_size for path in saved) < weights  # not 4 bytes of each, four times


def lora_free(pipe: CoDiXRPipeline, name: str) -> dict[str, torch.Tensor]:
    """The weights of a component under the names that it has without adapters."""
    state = pipe.modules[name].state_dict()
    plain = {key: lora.plain_name(key) for key in state}
    return {new: state[key] for key, new in plain.items() if new is not None}


def test_without_finished_weights_it_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CODIXR_CACHE", str(tmp_path / "cache"))
    wrong = request(
        tmp_path / "run", "image-ldm", pretrained.EMBEDDED, lora_rank="2", start="scratch"
    )
    with pytest.raises(InputError, match="lora_rank=2 trains beside finished weights"):
        train(wrong)

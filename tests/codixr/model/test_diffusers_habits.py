"""What users of diffusers do without reading on: it works, or is answered in words."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, DiffusionPipeline

from codixr import hub
from codixr.errors import InputError
from codixr.modality import Modality
from codixr.model.pipeline import CoDiXRPipeline

F, L, T = Modality.F, Modality.L, Modality.T
TEXT = {"T": "the lungs are clear."}
CALL: dict[str, Any] = {"num_inference_steps": 2, "seed": 3, "output_type": "pt"}


@pytest.fixture
def own(pipe: CoDiXRPipeline) -> CoDiXRPipeline:
    """A pipeline to change: its parts are the others', which are not."""
    return CoDiXRPipeline(**pipe.components)


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ({"prompt": "clear lungs"}, "prompt: give inputs, by modality"),
        ({"height": 512}, "height: a checkpoint makes pictures of one size"),
        ({"callback": print}, "callback: give callback_on_step_end"),
        ({"cross_attention_kwargs": {"scale": 0.5}}, "cross_attention_kwargs: pipe.set_adapters"),
        ({"clip_skip": 1}, "clip_skip: this pipeline's call has no such argument"),
    ],
    ids=lambda x: next(iter(x)) if isinstance(x, dict) else "",
)
def test_an_argument_of_another_pipeline_is_told_what_stands_for_it(
    pipe: CoDiXRPipeline, argument: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        pipe(TEXT, "F", **(CALL | argument))


def test_pictures_asked_for_by_number_are_told_to_be_by_view(pipe: CoDiXRPipeline) -> None:
    made = pipe(TEXT, "F", **CALL)
    with pytest.raises(KeyError, match=r"pictures are by view; there are images\['F'\]"):
        made.images[0]
    assert made.images.get("L") is None
    with pytest.raises(KeyError, match="only a report was made"):
        pipe({"F": made.images["F"][0].numpy()}, "T", **CALL).images[0]


def test_a_callback_reads_the_call_s_numbers(pipe: CoDiXRPipeline) -> None:
    """Diffusers' own example: guidance off after 40 % of the steps."""
    seen: list[tuple[float, bool]] = []

    def cut(own: Any, step: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        seen.append((own.guidance_scale, own.do_classifier_free_guidance))
        if step == int(own.num_timesteps * 0.4):
            own._guidance_scale = 1.0
        assert not own.interrupt
        return tensors

    call = CALL | {"num_inference_steps": 5}
    pipe(TEXT, "F", guidance_scale=3.0, callback_on_step_end=cut, **call)
    assert seen == [(3.0, True)] * 3 + [(1.0, False)] * 2
    assert pipe.num_timesteps == 5
    pipe(TEXT, "F", **CALL)
    assert pipe.guidance_scale == pipe.preset.diffusion.guidance


def _as_they_are(pipe: CoDiXRPipeline) -> None:
    pipe.enable_attention_slicing()


def _diffusers_processors(pipe: CoDiXRPipeline) -> None:
    pipe.disable_xformers_memory_efficient_attention()


def _fused(pipe: CoDiXRPipeline) -> None:
    pipe.denoiser_f.unet.fuse_qkv_projections()


def _sliced(pipe: CoDiXRPipeline) -> None:
    pipe.denoiser_f.unet.set_attention_slice("auto")


@pytest.mark.parametrize("switch", [_as_they_are, _diffusers_processors, _fused, _sliced])
def test_attention_done_otherwise_gives_the_same_sample(
    pipe: CoDiXRPipeline, checkpoint: Path, switch: Callable[[CoDiXRPipeline], None]
) -> None:
    other = CoDiXRPipeline.from_pretrained(checkpoint, report_vae=None, denoiser_t=None)
    switch(other)
    call = CALL | {"guidance_scale": 2.0}  # more guidance multiplies what is rounded
    ours, theirs = pipe(TEXT, "F", **call).images[F], other(TEXT, "F", **call).images[F]
    torch.testing.assert_close(theirs, ours, atol=1e-5, rtol=1e-5)


def test_weights_of_tokens_are_not_lost_with_the_processor_that_knows_them(
    checkpoint: Path,
) -> None:
    pipe = CoDiXRPipeline.from_pretrained(checkpoint)
    diffusion = replace(pipe.preset.diffusion, condition_fusion="tokens")
    pipe.preset = replace(pipe.preset, diffusion=diffusion)
    both = TEXT | {"L": np.zeros((1, 64, 64), np.float32)}
    weights = {"T": 2, "L": 1}
    pipe(both, "F", weights=weights, **CALL)
    _diffusers_processors(pipe)
    pipe(both, "F", **CALL)
    with pytest.raises(InputError, match="another attention processor was set"):
        pipe(both, "F", weights=weights, **CALL)


def test_a_part_that_is_left_out_is_missed_when_it_is_needed(
    pipe: CoDiXRPipeline, checkpoint: Path, tmp_path: Path
) -> None:
    ours = pipe(TEXT, "F", **CALL).images[F]
    without = CoDiXRPipeline.from_pretrained(checkpoint, denoiser_l=None, report_vae=None)
    pipe.save_pretrained(tmp_path / "whole")
    by_diffusers = DiffusionPipeline.from_pretrained(tmp_path / "whole", denoiser_l=None)
    for part in (without, by_diffusers):
        assert torch.equal(part.to("cpu")(TEXT, "F", **CALL).images[F], ours)
        with pytest.raises(InputError, match="denoiser_l: the pipeline was made without it"):
            part(TEXT, "L", **CALL)
    with pytest.raises(InputError, match="without it"):
        without.save_pretrained(tmp_path / "half")
    assert not (tmp_path / "half").exists()


def test_a_part_of_another_kind_is_refused_in_words(own: CoDiXRPipeline, checkpoint: Path) -> None:
    vae = own.image_vae.autoencoder
    assert isinstance(vae, AutoencoderKL)
    words = "image_vae: it is of the kind AutoencoderKL, and has to be a ImageVAE"
    with pytest.raises(InputError, match=words):
        CoDiXRPipeline.from_pretrained(checkpoint, image_vae=vae)
    own.image_vae = vae
    with pytest.raises(InputError, match=words):
        own(TEXT, "F", **CALL)


def test_what_is_for_the_hub_goes_to_the_hub(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Any] = {}

    def download(name: str, revision: str | None, **options: Any) -> Path:
        asked.update(options, name=name, revision=revision)
        return checkpoint

    monkeypatch.setattr(hub, "download", download)
    own = {"token": "t", "cache_dir": "c", "local_files_only": True, "force_download": False}
    CoDiXRPipeline.from_pretrained("somebody/model", revision="v1", **own)
    assert asked == own | {"name": "somebody/model", "revision": "v1"}
    CoDiXRPipeline.from_pretrained(checkpoint, local_files_only=True, trust_remote_code=False)
    with pytest.raises(InputError, match="no code of a folder is run"):
        CoDiXRPipeline.from_pretrained(checkpoint, trust_remote_code=True)

"""Conditions given as vectors, and negative prompts."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from codixr.errors import InputError
from codixr.modality import Modality
from codixr.model.pipeline import CoDiXRPipeline

F, L, T = Modality.F, Modality.L, Modality.T
CLEAR, LARGE = "the lungs are clear.", "large left pleural effusion."
CALL: dict[str, Any] = {"num_inference_steps": 2, "seed": 3, "output_type": "latent"}
SIDE = np.random.default_rng(0).random((1, 64, 64), dtype=np.float32)


def made(pipe: CoDiXRPipeline, *arguments: Any, **options: Any) -> Tensor:
    return pipe(*arguments, **(CALL | options)).images[F]


def test_vectors_of_encode_prompts_stand_for_their_inputs(pipe: CoDiXRPipeline) -> None:
    own, null = pipe.encode_prompts([{T: CLEAR}, {T: LARGE}])
    by_inputs = made(pipe, {"T": [CLEAR, LARGE]}, "F", num_images=2)
    by_vectors = made(pipe, prompt_embeds=own, outputs="F", num_images=2)
    torch.testing.assert_close(by_vectors, by_inputs, atol=1e-5, rtol=1e-5)
    assert by_vectors.shape[0] == 4
    as_tokens = {"prompt_embeds": own[:, None], "negative_prompt_embeds": null[:1, None]}
    again = made(pipe, outputs="F", num_images=2, **as_tokens)
    torch.testing.assert_close(again, by_inputs, atol=1e-5, rtol=1e-5)


def test_of_a_picture_s_vector_the_unconditional_one_has_to_be_given(pipe: CoDiXRPipeline) -> None:
    own, null = pipe.encode_prompts([{L: SIDE}])
    by_inputs = made(pipe, {"L": SIDE}, "F")
    with_null = made(pipe, prompt_embeds=own, negative_prompt_embeds=null, outputs="F")
    torch.testing.assert_close(with_null, by_inputs, atol=1e-5, rtol=1e-5)
    assert (made(pipe, prompt_embeds=own, outputs="F") - by_inputs).abs().max() > 1e-3


def test_guidance_leads_away_from_a_negative_prompt(pipe: CoDiXRPipeline) -> None:
    """By hand: one step, whose noise is eps_n + s (eps_c - eps_n)."""
    away = pipe.encode_prompts([{T: LARGE}])[0]
    told = pipe.encode_prompts([{T: CLEAR}])[0]
    negative = made(pipe, {"T": CLEAR}, "F", negative_prompt=LARGE, guidance_scale=3.0)
    by_vectors = made(
        pipe, prompt_embeds=told, negative_prompt_embeds=away, outputs="F", guidance_scale=3.0
    )
    torch.testing.assert_close(negative, by_vectors, atol=1e-5, rtol=1e-5)
    usual = made(pipe, {"T": CLEAR}, "F", guidance_scale=3.0)
    assert (negative - usual).abs().max() > 1e-3
    one = {"num_inference_steps": 1, "scheduler": "DDIM", "guidance_interval": (0, 1)}
    eps = {
        s: made(pipe, {"T": CLEAR}, "F", negative_prompt=LARGE, guidance_scale=s, **one)
        for s in (0.0, 1.0, 3.0)
    }
    lead = eps[0.0] + 3 * (eps[1.0] - eps[0.0])  # one DDIM step is linear in the noise
    torch.testing.assert_close(eps[3.0], lead, atol=1e-3, rtol=1e-3)


def test_a_text_of_unknown_words_is_blamed_on_the_prompt_that_has_it(pipe: CoDiXRPipeline) -> None:
    for name, given in (("T", {"T": "banana"}), ("negative_prompt", {"T": CLEAR})):
        negative = None if name == "T" else "banana"
        with pytest.raises(InputError, match=f"^{name}: the text has no word"):
            pipe(given, "F", negative_prompt=negative)


def test_an_empty_negative_prompt_is_the_unconditional_vector_of_a_text(
    pipe: CoDiXRPipeline,
) -> None:
    usual = made(pipe, {"T": CLEAR}, "F")
    torch.testing.assert_close(made(pipe, {"T": CLEAR}, "F", negative_prompt=""), usual)
    listed = made(pipe, {"T": [CLEAR, LARGE]}, "F", negative_prompt=["", CLEAR])
    torch.testing.assert_close(listed[:1], usual, atol=1e-4, rtol=1e-4)


def test_a_negative_prompt_may_be_a_picture_and_leads_from_nothing_too(
    pipe: CoDiXRPipeline,
) -> None:
    usual = made(pipe, {"T": CLEAR}, "F")
    assert (made(pipe, {"T": CLEAR}, "F", negative_prompt={"L": SIDE}) - usual).abs().max() > 1e-3
    nothing = made(pipe, {}, "F")
    led = made(pipe, {}, "F", negative_prompt=CLEAR, guidance_scale=3.0)
    assert (led - nothing).abs().max() > 1e-3
    same = made(pipe, {}, "F", negative_prompt=CLEAR, guidance_scale=1.0)
    torch.testing.assert_close(same, nothing, atol=1e-5, rtol=1e-5)


def test_one_negative_token_stands_for_several(checkpoint: Path) -> None:
    pipe = CoDiXRPipeline.from_pretrained(checkpoint)
    diffusion = replace(pipe.preset.diffusion, condition_fusion="tokens")
    pipe.preset = replace(pipe.preset, diffusion=diffusion)
    inputs = {"T": CLEAR, "L": SIDE}
    away = pipe.encode_prompts([{T: LARGE}])[0]
    assert away.shape == (1, 1, 256)
    one = made(pipe, inputs, "F", negative_prompt=LARGE)
    two = made(pipe, inputs, "F", negative_prompt_embeds=away.expand(1, 2, 256))
    torch.testing.assert_close(one, two, atol=1e-5, rtol=1e-5)
    with pytest.raises(InputError, match="the negative prompt has 2 tokens and the prompt 1"):
        made(pipe, {"T": CLEAR}, "F", negative_prompt={"T": LARGE, "L": SIDE})


VECTOR = torch.zeros(1, 256)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({}, "inputs: give a mapping of modalities, e.g."),
        ({"inputs": {"T": CLEAR}, "prompt_embeds": VECTOR}, "inputs or prompt_embeds, not both"),
        ({"prompt_embeds": [[0.0]]}, r"prompt_embeds: give a tensor of floats \[B, 256\]"),
        ({"prompt_embeds": VECTOR.long()}, "give a tensor of floats"),
        ({"prompt_embeds": VECTOR[:, :9]}, r"not \(1, 9\)"),
        ({"prompt_embeds": VECTOR[:0]}, r"not \(0, 256\)"),
        ({"prompt_embeds": VECTOR / 0}, "prompt_embeds: they hold NaN"),
        ({"prompt_embeds": VECTOR.expand(1, 3, 256)}, "reads one vector a sample, not 3"),
        ({"prompt_embeds": VECTOR, "weights": {"T": 1}}, "weights are for inputs"),
        ({"inputs": {"T": CLEAR}, "negative_prompt": 5}, "negative_prompt: T: give a report"),
        ({"inputs": {"T": CLEAR}, "negative_prompt": {}}, "negative_prompt: it is empty"),
        ({"inputs": {"T": CLEAR}, "negative_prompt": []}, "^negative_prompt: T: an empty list"),
        ({"inputs": {"T": CLEAR}, "negative_prompt": ["", ""]}, "2 for 1 prompts"),
        ({"inputs": {"T": CLEAR}, "negative_prompt": "zzz"}, "no word that the checkpoint"),
        (
            {"inputs": {"T": CLEAR}, "negative_prompt": "", "negative_prompt_embeds": VECTOR},
            "negative_prompt or negative_prompt_embeds, not both",
        ),
        (
            {"inputs": {"T": CLEAR}, "negative_prompt_embeds": VECTOR.expand(2, 256)},
            "negative_prompt_embeds: 2 for 1 prompts",
        ),
    ],
    ids=lambda x: "+".join(x) if isinstance(x, dict) else "",
)
def test_what_does_not_fit_is_refused_in_words(
    pipe: CoDiXRPipeline, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        pipe(outputs="F", **(CALL | change))


def test_outputs_have_to_be_said(pipe: CoDiXRPipeline) -> None:
    with pytest.raises(InputError, match="outputs None: give modalities"):
        pipe({"T": CLEAR})


def test_r_means_t_wherever_a_modality_is_named(pipe: CoDiXRPipeline) -> None:
    ours = made(pipe, {"T": CLEAR, "L": SIDE}, "F", weights={"T": 2, "L": 1})
    theirs = made(pipe, {"R": CLEAR, "L": SIDE}, "F", weights={"R": 2, "L": 1})
    assert torch.equal(ours, theirs)
    assert torch.equal(
        pipe.encode_prompts([{T: CLEAR}])[0],
        pipe.encode_prompts([{"R": CLEAR}])[0],  # type: ignore[dict-item]
    )
    ours, theirs = (
        pipe.generate([{m: CLEAR}], ["F"], [1])[0][F]  # type: ignore[dict-item,list-item]
        for m in ("T", "R")
    )
    assert np.array_equal(ours, theirs)
    noise = torch.randn(1, pipe.preset.report_vae.latent_dim)
    reports = [pipe({"L": SIDE}, name, latents={name: noise}) for name in ("T", "R")]
    assert reports[0].reports == reports[1].reports
    assert Modality("R") is T

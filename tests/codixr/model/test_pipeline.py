"""Any to any, by one call."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from codixr.errors import InputError
from codixr.modality import Modality
from codixr.model.pipeline import CoDiXRPipeline, Settings
from codixr.model.prompt_encoder import interpolate
from codixr.model.schedulers import make_scheduler
from codixr.model.tokenizer import decode, encode, word_tokenizer
from codixr_bench.task import GROUPS, Task

F, L, T = Modality.F, Modality.L, Modality.T


def picture(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).random((1, 64, 64), dtype=np.float32)


def prompts(given: str, n: int) -> list[dict[Modality, np.ndarray | str]]:
    content = lambda m, i: "the lungs are clear." if m is T else picture(i + 10 * (m is L))  # noqa: E731
    return [{Modality(m): content(Modality(m), i) for m in given} for i in range(n)]


@pytest.mark.parametrize(
    ("given", "made"), [("T", "F"), ("LT", "F"), ("FT", "L"), ("FL", "T"), ("T", "FL"), ("L", "FT")]
)
def test_a_sample_is_its_study_s_own_whatever_the_batch(
    pipe: CoDiXRPipeline, given: str, made: str
) -> None:
    outputs = [Modality(m) for m in made]
    batch = pipe.generate(prompts(given, 3), outputs, [5, 6, 7], Settings(3))
    alone = pipe.generate(prompts(given, 3)[1:2], outputs, [6], Settings(3))[0]
    for m in outputs:
        if m is T:
            assert batch[1][m] == alone[m]
        else:
            assert np.abs(batch[1][m] - alone[m]).max() <= 1e-4
            assert batch[1][m].dtype == np.float32
            assert 0 <= batch[1][m].min() <= batch[1][m].max() <= 1
            assert np.abs(batch[0][m] - batch[1][m]).max() > 1e-3


def test_the_seed_matters_and_nothing_else_random_does(pipe: CoDiXRPipeline) -> None:
    p = prompts("T", 1)
    torch.manual_seed(1)
    a = pipe.generate(p, [F], [1], Settings(3))[0][F]
    torch.manual_seed(2)
    b = pipe.generate(p, [F], [1], Settings(3))[0][F]
    c = pipe.generate(p, [F], [2], Settings(3))[0][F]
    assert np.array_equal(a, b)
    assert np.abs(a - c).max() > 1e-3


def test_joint_outputs_listen_to_each_other(pipe: CoDiXRPipeline) -> None:
    p = prompts("T", 1)
    alone = pipe.generate(p, [F], [1], Settings(3))[0][F]
    joint = pipe.generate(p, [F, L], [1], Settings(3, joint="together"))[0][F]
    assert np.abs(alone - joint).max() > 1e-4


@pytest.mark.parametrize("name", ["EulerAncestral", "Heun"])
def test_any_diffusers_scheduler_runs_by_name_or_as_an_object(
    pipe: CoDiXRPipeline, name: str
) -> None:
    by_name = pipe.generate(prompts("T", 1), [F], [1], Settings(3, scheduler=name))[0][F]
    own = pipe.scheduler
    try:
        pipe.scheduler = type(make_scheduler(pipe.preset.diffusion, 1, name)).from_config(
            make_scheduler(pipe.preset.diffusion, 1, name).config
        )
        by_object = pipe.generate(prompts("T", 1), [F], [1], Settings(3))[0][F]
    finally:
        pipe.scheduler = own
    assert np.isfinite(by_name).all()
    assert np.array_equal(by_name, by_object)
    assert np.abs(by_name - pipe.generate(prompts("T", 1), [F], [1], Settings(3))[0][F]).max() > 0


@pytest.mark.parametrize("task", [t.name for t in GROUPS["all"]])
def test_every_task_is_made_by_the_one_loop(pipe: CoDiXRPipeline, task: str) -> None:
    parsed = Task.parse(task)
    given = prompts("".join(parsed.inputs), 1)
    sample = pipe.generate(given, parsed.outputs, [1], Settings(1))[0]
    assert set(sample) == set(parsed.outputs)


def test_thirty_two_at_once_are_the_same_samples_as_one_by_one(pipe: CoDiXRPipeline) -> None:
    """Three outputs from nothing: every flow at once, and each listening to two others."""
    seeds = list(range(32))
    together = pipe.generate([{}] * 32, [F, L, T], seeds, Settings(2))
    for k in (0, 13, 31):
        alone = pipe.generate([{}], [F, L, T], [k], Settings(2))[0]
        assert alone[T] == together[k][T]
        for view in (F, L):
            assert np.abs(alone[view] - together[k][view]).max() <= 1e-4


def test_nothing_given_is_the_unconditional_vector_of_training(pipe: CoDiXRPipeline) -> None:
    nothing = pipe.generate([{}], [F], [1], Settings(2))[0][F]
    told = pipe.generate(prompts("T", 1), [F], [1], Settings(2, guidance=0.0))[0][F]
    assert np.abs(nothing - told).max() <= 1e-5


def test_generators_decide_the_samples_whatever_their_number(pipe: CoDiXRPipeline) -> None:
    call = {"num_inference_steps": 1, "output_type": "pt"}
    text = {"T": "the lungs are clear."}
    own = [torch.Generator().manual_seed(k) for k in (1, 2, 3)]
    listed = pipe(text, "F", num_images=3, generator=own, **call).images[F]
    second = pipe(text, "F", generator=[torch.Generator().manual_seed(2)], **call).images[F]
    assert (listed[1] - second[0]).abs().max() <= 1e-4
    three = pipe(text, "F", num_images=3, generator=torch.Generator().manual_seed(9), **call)
    batched = pipe(
        text,
        "F",
        num_images=4,
        batch_size=2,
        generator=torch.Generator().manual_seed(9),
        **call,
    )
    assert (three.images[F] - batched.images[F][:3]).abs().max() <= 1e-4
    assert (three.images[F][0] - three.images[F][1]).abs().max() > 1e-3
    torch.manual_seed(4)
    a = pipe(text, "F", **call).images[F]
    b = pipe(text, "F", **call).images[F]
    torch.manual_seed(4)
    assert torch.equal(a, pipe(text, "F", **call).images[F])
    assert not torch.equal(a, b)
    with pytest.raises(InputError, match="2 generators for 3 samples"):
        pipe(text, "F", num_images=3, generator=own[:2], **call)
    with pytest.raises(InputError, match="not both"):
        pipe(text, "F", generator=own[0], seed=1, **call)


def test_output_types_and_lists_are_those_of_diffusers(pipe: CoDiXRPipeline) -> None:
    text = {"T": ["the lungs are clear.", "large left pleural effusion."]}
    made = {
        kind: pipe(text, "F+T"[:1], seed=1, num_images=2, num_inference_steps=1, output_type=kind)
        for kind in ("pil", "np", "pt", "latent")
    }
    images = {kind: generation.images[F] for kind, generation in made.items()}
    assert images["np"].shape == (4, 64, 64, 1)
    assert images["pt"].shape == (4, 1, 64, 64)
    assert images["latent"].shape == (4, 12, 8, 8)
    np.testing.assert_array_equal(images["np"][..., 0], images["pt"][:, 0].numpy())
    shown = np.stack([np.asarray(image) for image in images["pil"]])
    assert np.abs(shown / 255 - images["np"][..., 0]).max() <= 0.5 / 255 + 1e-6
    decoded = pipe.image_vae.decode(images["latent"]).detach()
    torch.testing.assert_close(decoded, images["pt"], atol=1e-5, rtol=0)
    pair, reports = pipe(text, "F", seed=1, num_inference_steps=1, return_dict=False)
    assert len(pair[F]) == 2
    assert reports is None


def test_a_callback_sees_every_step_and_may_change_the_latents(pipe: CoDiXRPipeline) -> None:
    seen = []

    def zero(pipeline, step, timestep, tensors):
        seen.append((pipeline is pipe, step, int(timestep), sorted(tensors["latents"])))
        return {"latents": {m: z * 0 for m, z in tensors["latents"].items()}}

    options = {"num_inference_steps": 3, "output_type": "latent", "callback_on_step_end": zero}
    options["joint"] = "together"
    made = pipe({"T": "the lungs are clear."}, "F+L", **options)
    assert [step for _, step, _, _ in seen] == [0, 1, 2]
    assert seen[0][0] is True
    assert seen[0][2] > seen[1][2]
    assert seen[0][3] == ["F", "L"]
    assert not made.images[F].any()
    with pytest.raises(InputError, match="no prompt_embeds"):
        pipe(
            {"T": "the lungs are clear."},
            "F",
            callback_on_step_end_tensor_inputs=["prompt_embeds"],
        )


def test_the_progress_bar_goes_to_stderr_and_can_be_switched_off(
    pipe: CoDiXRPipeline, capsys: pytest.CaptureFixture[str]
) -> None:
    call = {"num_inference_steps": 2, "seed": 0}
    pipe({"T": "the lungs are clear."}, "F", num_images=3, batch_size=1, **call)
    shown = capsys.readouterr()
    assert "6/6" in shown.err
    assert shown.out == ""
    try:
        pipe.set_progress_bar_config(disable=True)
        pipe({"T": "the lungs are clear."}, "F", **call)
    finally:
        pipe.set_progress_bar_config()
    assert capsys.readouterr().err == ""


def test_weights_move_the_condition_between_the_inputs(pipe: CoDiXRPipeline) -> None:
    both = prompts("LT", 1)
    text, image = ([{m: both[0][m]}] for m in (T, L))
    mixed = pipe.encode_prompts(both, {"T": 1.0, "L": 0.0})[0]
    torch.testing.assert_close(mixed, pipe.encode_prompts(text)[0])
    mean = (pipe.encode_prompts(text)[0] + pipe.encode_prompts(image)[0]) / 2
    torch.testing.assert_close(pipe.encode_prompts(both)[0], mean)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"T": 0, "L": 0}, "sum to zero"),
        ({"T": -1, "L": 2}, "0 or more"),
        ({"T": float("nan"), "L": 2}, "0 or more"),
        ({"T": 1}, "weights are given for T"),
        ({"T": 1, "F": 1}, "inputs are L[+]T"),
    ],
)
def test_unfit_weights_are_refused(
    pipe: CoDiXRPipeline, weights: dict[str, float], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        pipe.generate(prompts("LT", 1), [F], [1], Settings(1, weights=weights))


def test_a_model_that_fuses_by_tokens_weighs_them_in_attention(checkpoint: Path) -> None:
    pipe = CoDiXRPipeline.from_pretrained(checkpoint)
    diffusion = replace(pipe.preset.diffusion, condition_fusion="tokens")
    pipe.preset = replace(pipe.preset, diffusion=diffusion)
    both = prompts("LT", 2)
    condition, null = pipe.encode_prompts(both)
    assert condition.shape == null.shape == (2, 2, 256)

    def made(given, **options):
        return pipe.generate(given, [F], [1, 2], Settings(2, **options))[0][F]

    equal, only_text = made(both), made(both, weights={"T": 1, "L": 0})
    alone = made([{T: p[T]} for p in both], guidance=1.0)
    unguided = made(both, weights={"T": 1, "L": 0}, guidance=1.0)
    assert np.abs(unguided - alone).max() <= 1e-4
    assert np.abs(equal - only_text).max() > 1e-3


def test_a_long_text_is_cut_at_a_sentence_with_a_warning_or_refused(
    pipe: CoDiXRPipeline, caplog: pytest.LogCaptureFixture
) -> None:
    sentence = "the lungs are clear."
    long = [{T: " ".join([sentence] * 30)}]
    fits = [{T: " ".join([sentence] * 15)}]  # 15 * 5 + 2 = 77 tokens
    torch.testing.assert_close(pipe.encode_prompts(long)[0], pipe.encode_prompts(fits)[0])
    assert "has 152 tokens, and the model reads 77" in caplog.text
    assert "lungs" not in caplog.text
    caplog.clear()
    pipe.encode_prompts(fits, strict_length=True)
    assert not caplog.records
    with pytest.raises(InputError, match="152 tokens, and the model reads 77: shorten"):
        pipe({"T": long[0][T]}, "F", strict_length=True)


def test_half_precision_stays_near_full(checkpoint: Path) -> None:
    half = CoDiXRPipeline.from_pretrained(checkpoint).to(torch.bfloat16)
    full = CoDiXRPipeline.from_pretrained(checkpoint)
    for m in (F, T):
        other = prompts("L", 1)
        a, b = (p.generate(other, [m], [1], Settings(1))[0][m] for p in (half, full))
        if m is F:
            assert a.dtype == np.float32
            assert np.abs(a - b).mean() < 0.02
        else:
            assert isinstance(a, str)


def test_decoding_in_slices_changes_nothing(
    pipe: CoDiXRPipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    latents = torch.randn(5, 12, 8, 8)
    with torch.no_grad():
        whole = pipe.image_vae.decode(latents)
        monkeypatch.setattr("codixr.model.image_vae.SLICE_PIXELS", 2 * 64 * 64)
        calls = []
        real = pipe.image_vae.reconstruct
        monkeypatch.setattr(
            pipe.image_vae, "reconstruct", lambda z: calls.append(len(z)) or real(z)
        )
        sliced = pipe.image_vae.decode(latents)
    assert calls == [2, 2, 1]
    torch.testing.assert_close(sliced, whole, atol=1e-5, rtol=0)


def test_the_call_takes_and_returns_pil(pipe: CoDiXRPipeline) -> None:
    image = Image.fromarray((picture(0)[0] * 255).astype(np.uint8)).resize((100, 80))
    result = pipe({"L": image}, "F+T", seed=3, num_images=2, num_inference_steps=2)
    assert [i.size for i in result.images[F]] == [(64, 64), (64, 64)]
    assert result.reports is not None
    assert len(result.reports) == 2
    assert pipe({"T": "the lungs are clear."}, "F", num_inference_steps=2).reports is None


@pytest.mark.parametrize(
    ("inputs", "outputs", "message"),
    [
        ({"F": picture(0)}, "F", "both input and output"),
        ({"F": picture(0)[:, :32]}, "T", "takes pictures of shape"),
        ({"F": picture(0) * 255}, "T", r"must lie in \[0, 1\]"),
        ({"F": picture(0) * np.nan}, "T", "NaN or infinite"),
        ({"T": "  "}, "F", "non-empty string"),
        ({"T": "zzz qqq"}, "F", "no word that the checkpoint"),
        ({"F": np.uint8(255) * np.ones((1, 64, 64), np.uint8)}, "T", "uint8 has no known white"),
        ({"F": np.zeros((3, 64, 64), np.float32)}, "T", "one channel"),
        ({"F": Image.new("F", (64, 64))}, "T", "no known white"),
        ({"F": "front.png"}, "T", "a str is not a picture"),
        ({"CT": picture(0)}, "T", "not a modality"),
        ({"T": "the lungs are clear."}, [], "no output"),
        ({"F": [picture(0), picture(1)], "T": "clear."}, "L", "different lengths"),
    ],
)
def test_bad_input_is_refused_with_a_reason(
    pipe: CoDiXRPipeline, inputs: dict, outputs: str, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        pipe(inputs, outputs, num_inference_steps=1)


@pytest.mark.parametrize(
    "options",
    [{"num_inference_steps": 0}, {"num_inference_steps": 1001}, {"scheduler": "Nonsense"}],
)
def test_bad_sampling_options_are_refused(pipe: CoDiXRPipeline, options: dict) -> None:
    with pytest.raises(
        InputError, match=r"num_inference_steps 0: give 1|sampling steps: give 1|not a scheduler"
    ):
        pipe({"T": "the lungs are clear."}, "F", **options)


def test_conditions_are_interpolated_by_normalised_weights() -> None:
    a, b = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]])
    torch.testing.assert_close(interpolate([a, b]), torch.tensor([[0.5, 0.5]]))
    torch.testing.assert_close(interpolate([a, b], [3, 1]), torch.tensor([[0.75, 0.25]]))
    with pytest.raises(ValueError, match="sum to zero"):
        interpolate([a, b], [0, 0])


def test_a_report_survives_the_tokenizer() -> None:
    report = "follow-up: large effusion, left; no change."
    tokenizer = word_tokenizer([report])
    ids, _ = encode(tokenizer, [report.upper()], 77)
    assert decode(tokenizer, ids[:, 1:])[0].replace(" ", "") == report.replace(" ", "")

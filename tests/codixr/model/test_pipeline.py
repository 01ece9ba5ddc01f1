"""Any to any, by one call."""

import numpy as np
import pytest
import torch
from PIL import Image

from codixr.errors import InputError
from codixr.modality import Modality
from codixr.model.pipeline import CoDiXRPipeline, Settings
from codixr.model.prompt_encoder import interpolate
from codixr.model.tokenizer import decode, encode, word_tokenizer

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
    joint = pipe.generate(p, [F, L], [1], Settings(3))[0][F]
    assert np.abs(alone - joint).max() > 1e-4


@pytest.mark.parametrize("name", ["DDIMScheduler", "EulerDiscreteScheduler", "PNDMScheduler"])
def test_any_diffusers_scheduler_runs_by_name(pipe: CoDiXRPipeline, name: str) -> None:
    sample = pipe.generate(prompts("T", 1), [F], [1], Settings(4, scheduler=name))[0][F]
    assert np.isfinite(sample).all()


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
        ({"F": "front.png"}, "T", "a str is no picture"),
        ({"CT": picture(0)}, "T", "no modality"),
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
    with pytest.raises(InputError, match=r"sampling steps: give 1|no scheduler"):
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

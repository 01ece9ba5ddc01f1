"""A denoiser of pictures keeps the mean of the latents that it was trained on."""

from pathlib import Path

import pytest
import torch

from codixr.commands.train import Request, train
from codixr.data.phantom import PhantomDataset
from codixr.modality import Modality
from codixr.model import components
from codixr.model.mean_latent import FILE
from codixr.model.pipeline import CoDiXRPipeline

START = Path(components.__file__).parents[1] / "assets" / "tiny"
QUICK = {
    "steps": "2",
    "batch": "4",
    "validate_every": "0",
    "tracker": "none",
    "wordings": "0",
}


@pytest.mark.parametrize("cache", ["true", "false"])
def test_of_the_training_studies_whether_latents_are_cached_or_not(
    cache: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CODIXR_CACHE", str(tmp_path / "cache"))
    settings = QUICK | {"cache": cache, "workers": "0"}
    (model,) = train(
        Request(
            stage="image-ldm",
            view="L",
            preset="tiny",
            data="phantom",
            out=tmp_path / "out",
            settings=settings,
            limit=12,
            threads=1,
            init=START,
        )
    )
    pipe = CoDiXRPipeline.from_pretrained(model)
    pictures = torch.from_numpy(PhantomDataset("train", limit=12).images(Modality.L)[:, None] / 255)
    with torch.no_grad():
        mean = pipe.image_vae.encode(pictures.float()).mean(0)
    torch.testing.assert_close(pipe.denoiser_l.mean_latent, mean, atol=2e-2, rtol=1e-2)
    assert not torch.equal(
        pipe.denoiser_l.mean_latent, CoDiXRPipeline.from_pretrained().denoiser_l.mean_latent
    )
    other, own = START / "denoiser_f" / FILE, model / "denoiser_f" / FILE
    assert own.read_bytes() == other.read_bytes()

"""How far are generated pictures from real ones of OTHER studies, beside how far real ones are?

    python tests/perf/other_studies.py [--checkpoint DIR] [--view F] [--steps 12] [--guidance 2.5]
        [--interval 0.2,0.8]

T->F or T->L of the first 1,000 reports of the phantom's test split against the real pictures of the
other 1,000 studies: Frechet distances in the judge's features. A distance to the same studies'
pictures falls by what both share. Real, and real through the image autoencoder: what is to be had.
The mean is that of all pixels: brightness, 0 to 1.
"""

import argparse

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from codixr import CoDiXRPipeline
from codixr.data.phantom import PhantomDataset
from codixr.data.phantom.judge import load_judge
from codixr.modality import Modality
from codixr_bench.metrics.frechet import distance_between

STUDIES, BATCH = 1000, 100


@torch.no_grad()
def features(pictures: Tensor, view: Modality) -> NDArray[np.float32]:
    """The judge's, float32 [N, 128], of pictures [N, 1, S, S]."""
    model = load_judge(view).model
    return np.concatenate([model.features(x).numpy() for x in pictures.split(BATCH)])


def main() -> None:
    """Print each set's distance, and how many times that of real pictures it is."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", help="default: the embedded one")
    parser.add_argument("--view", choices=("F", "L"), default="F")
    parser.add_argument("--steps", type=int, help="default: the checkpoint's")
    parser.add_argument("--guidance", type=float, help="default: the checkpoint's")
    parser.add_argument("--interval", help="where guidance acts (default: the checkpoint's)")
    options = parser.parse_args()
    within = options.interval and tuple(float(x) for x in options.interval.split(","))
    pipe = CoDiXRPipeline.from_pretrained(options.checkpoint)
    pipe.set_progress_bar_config(disable=True)
    view, data = Modality(options.view), PhantomDataset("test")
    real = torch.from_numpy(data.images(view).copy())[:, None].float() / 255
    first, others = real[:STUDIES], features(real[STUDIES:], view)
    usual = distance_between(features(first, view), others)
    with torch.no_grad():
        parts = [pipe.image_vae.decode(pipe.image_vae.encode(x)) for x in first.split(BATCH)]
    made = pipe(
        {"T": data.reports()[:STUDIES]},
        options.view,
        seed=0,
        output_type="pt",
        batch_size=BATCH,
        num_inference_steps=options.steps,
        guidance_scale=options.guidance,
        guidance_interval=within,
    )
    print(f"{view} of {STUDIES:,} studies against those of {len(real) - STUDIES:,} others")
    print(f"{'real':24}{usual:8.2f}         mean {float(first.mean()):.3f}")
    for name, pictures in (
        ("through the autoencoder", torch.cat(parts).clamp(0, 1)),
        (f"T->{view}", made.images[view]),
    ):
        distance = distance_between(features(pictures, view), others)
        mean = f"mean {float(pictures.mean()):.3f}"
        print(f"{name:24}{distance:8.2f}  x {distance / usual:.2f} {mean}", flush=True)


if __name__ == "__main__":
    main()

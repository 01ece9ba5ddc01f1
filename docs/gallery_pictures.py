"""``python docs/gallery_pictures.py``: the pictures of docs/gallery.md. All are simulated.

One PNG a row of the page, 64×64 pictures at twice their size. A minute of one core.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from codixr import CoDiXRPipeline
from codixr.data.phantom import PhantomDataset
from codixr.modality import Modality

FOLDER = Path(__file__).parent / "gallery"
SENTENCES = {
    "normal": "No acute cardiopulmonary abnormality.",
    "effusion": "Large left pleural effusion.",
    "pneumothorax": "Right pneumothorax.",
    "cardiomegaly": "Severe cardiomegaly.",
    "edema": "Moderate pulmonary edema.",
    "lesion": "A nodule in the right upper zone.",
}
STUDIES = (3, 19, 29)
"""Positions in the test split."""


def row(pictures: list[NDArray[np.float32]], name: str) -> None:
    """Save pictures [64, 64] in [0, 1] side by side."""
    line = np.concatenate(pictures, axis=1)
    grey = Image.fromarray((line * 255).round().clip(0, 255).astype(np.uint8))
    large = grey.resize((2 * grey.width, 2 * grey.height), Image.Resampling.BICUBIC)
    large.save(FOLDER / f"{name}.png", optimize=True)


def main() -> None:
    """Write all rows."""
    pipe = CoDiXRPipeline.from_pretrained()
    pipe.set_progress_bar_config(disable=True)
    FOLDER.mkdir(exist_ok=True)
    for name, sentence in SENTENCES.items():
        made = pipe({"T": sentence}, "F+L", seed=1, output_type="np").images
        row([np.squeeze(made["F"][0]), np.squeeze(made["L"][0])], name)
    four = pipe(
        {"T": SENTENCES["effusion"]},
        "F",
        num_images=4,
        seed=1,
        output_type="np",
    ).images["F"]
    row([np.squeeze(picture) for picture in four], "seeds")
    data = PhantomDataset("test")
    for place in STUDIES:
        study = data[place]
        given = {"L": study.get(Modality.L)}
        made = pipe(given, "F", seed=1, output_type="np").images["F"]
        frontal, lateral = study.get(Modality.F), study.get(Modality.L)
        row([np.squeeze(lateral), np.squeeze(made[0]), np.squeeze(frontal)], f"study-{place}")


if __name__ == "__main__":
    main()

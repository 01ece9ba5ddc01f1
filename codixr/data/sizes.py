"""Sides of the square pictures that a preparation makes, and that tracks and models take."""

from codixr.errors import InputError

IMAGE_SIZES = (32, 1024)
SIZE_STEP = 32
"""A denoiser halves its latents several times: no other side fits."""
TRACK_SIZE = 256
"""What every track of real pictures evaluates."""
PHANTOM_TRACKS = {64: "phantom", 256: "phantom-256"}
"""Side → the track of simulated pictures."""


def check_image_size(side: int) -> None:
    """InputError for a side that no track and no model takes."""
    low, high = IMAGE_SIZES
    if not low <= side <= high or side % SIZE_STEP:
        raise InputError(
            f"--image-size {side}: no track or model takes it; the tracks take {TRACK_SIZE}, "
            f"training takes {low} to {high} in steps of {SIZE_STEP}"
        )

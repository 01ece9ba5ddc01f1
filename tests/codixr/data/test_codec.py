"""Decoders that panic, loop or die must cost one file, not the preparation."""

import io
import os
import signal

import numpy as np
import pydicom
import pytest
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless, RLELossless

from codixr.data import codec
from codixr.data.codec import CodecError, decode_apart
from codixr.data.phantom.archive_dicom import Film, can_encode, film_bytes
from codixr.data.phantom.render import render_views
from helpers.mutants import mutate

NAME = "0a1b2c3d-00000000-00000000-00000000-00000001"


def film(syntax: str, bits: int) -> bytes:
    pixels = render_views(0, 3, 64)[0]
    return film_bytes(Film(pixels, bits, bool(bits % 2), 0.168, (3, 7), syntax), NAME)


@pytest.mark.parametrize("syntax", [JPEG2000Lossless, RLELossless])
def test_a_picture_is_decoded_as_pydicom_decodes_it(syntax):
    content = film(syntax, 12)
    expected = pydicom.dcmread(io.BytesIO(content)).pixel_array
    found = decode_apart(content, 1)
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == expected.dtype


def test_what_cannot_be_decoded_is_an_error_and_the_next_file_is_read():
    with pytest.raises(CodecError, match=r"^\w+$"):
        decode_apart(film(JPEG2000Lossless, 12)[:-3000], 1)
    assert decode_apart(film(JPEG2000Lossless, 12), 1).ndim == 2


def test_a_decoder_that_dies_takes_one_file_with_it():
    decode_apart(film(RLELossless, 12), 1)
    first = codec._process
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    assert decode_apart(film(RLELossless, 12), 1).ndim == 2
    assert codec._process is not first


def test_a_panic_is_an_error_like_any_other():
    """Found by mutation: pylibjpeg-rle panics with something that is no Exception."""
    with pytest.raises(CodecError):
        decode_apart(mutate(film(RLELossless, 12), 76), 1)


@pytest.mark.slow
def test_a_decoder_that_loops_is_ended():
    """Found by mutation: pylibjpeg-libjpeg never finishes this one."""
    if not can_encode(JPEGLSLossless):
        pytest.skip("pyjpegls is not installed: pip install pyjpegls")
    with pytest.raises(CodecError, match="ran too long"):
        decode_apart(mutate(film(JPEGLSLossless, 16), 765), 1)
    assert decode_apart(film(JPEG2000Lossless, 12), 1).ndim == 2

"""What a batch was read as is remembered, and nothing else is taken for it."""

import numpy as np
import pytest

from codixr.errors import InputError
from codixr.modality import Modality
from codixr_bench.backbones import prompt_space
from codixr_bench.backbones.prompt_space import PromptSpace


@pytest.fixture
def passes(monkeypatch):
    """How many batches the encoder itself read."""
    read, encode = [], PromptSpace._encoded_anew

    def counted(space, contents):
        read.append(len(contents))
        return encode(space, contents)

    prompt_space._seen.clear()
    monkeypatch.setattr(PromptSpace, "_encoded_anew", counted)
    yield read
    prompt_space._seen.clear()


def test_a_batch_is_encoded_once_and_a_changed_one_anew(passes):
    rng, space = np.random.default_rng(0), PromptSpace(Modality.F)
    pictures = [rng.random((1, 64, 64), dtype=np.float32) for _ in range(3)]
    first = space.read(pictures)
    again = space.read([picture.copy() for picture in pictures])
    assert passes == [3]
    assert np.array_equal(first, again)
    again[:] = 0.0
    assert np.array_equal(space.read(pictures), first)
    changed = pictures[1].copy()
    changed[0, 5, 5] += 0.5
    other = space.read([pictures[0], changed, pictures[2]])
    assert passes == [3, 3]
    assert not np.array_equal(other[1], first[1])
    # The same bytes as a lateral picture are another matter.
    PromptSpace(Modality.L).read(pictures)
    assert passes == [3, 3, 3]


def test_reports_are_remembered_too_and_in_their_order(passes):
    space = PromptSpace(Modality.T)
    one, two = "large left effusion.", "no pneumothorax."
    first = space.read([one, two])
    count = len(passes)
    assert np.array_equal(space.read([one, two]), first)
    assert len(passes) == count
    assert np.allclose(space.read([two, one]), first[::-1])
    assert len(passes) == count + 1


def test_no_more_batches_than_that_are_kept(passes, monkeypatch):
    monkeypatch.setattr(prompt_space, "_REMEMBERED", 2)
    space = PromptSpace(Modality.F)
    for grey in (0.1, 0.2, 0.3, 0.1):
        space.read([np.full((1, 64, 64), grey, dtype=np.float32)])
    assert len(prompt_space._seen) == 2
    assert passes == [1, 1, 1, 1]


def test_a_picture_of_no_use_is_refused_as_before(passes):
    with pytest.raises(InputError):
        PromptSpace(Modality.F).read([np.zeros((1, 32, 32), dtype=np.float32)])
    assert not prompt_space._seen

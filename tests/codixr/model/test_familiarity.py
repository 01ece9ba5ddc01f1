"""What a checkpoint says of inputs that are unlike its training: a warning, or a refusal."""

import warnings
from pathlib import Path

import pytest
import torch

from codixr.data.phantom import PhantomDataset
from codixr.data.phantom.wording import words_of
from codixr.errors import InputError
from codixr.modality import Modality
from codixr.model.familiarity import (
    DIRECTIONS,
    Doubts,
    Familiarity,
    OutsideTrainingWarning,
    autoencoder_errors,
    picture_doubts,
    refuse_unknown,
    text_doubts,
    unknown_words,
)
from codixr.model.pipeline import CoDiXRPipeline
from codixr.model.tokenizer import piece_tokenizer, word_tokenizer

F, L = Modality.F, Modality.L


@pytest.fixture(scope="module")
def tokenizer():
    return piece_tokenizer(words_of(1500, 0))


@pytest.fixture(scope="module")
def pipe():
    pipe = CoDiXRPipeline.from_pretrained()
    pipe.set_progress_bar_config(disable=True)
    return pipe


def _cloud(n, seed, rank=40, width=256):
    """Vectors near a subspace of ``rank`` dimensions."""
    basis = torch.randn(rank, width, generator=torch.Generator().manual_seed(0))
    generator = torch.Generator().manual_seed(seed)
    noise = 0.01 * torch.randn(n, width, generator=generator)
    return torch.randn(n, rank, generator=generator) @ basis + noise


def test_words_are_counted_without_signs_and_numbers(tokenizer):
    texts = ["Small left effusion, 3.5 cm!", "banana smoothie.", "left banana", "..."]
    assert unknown_words(tokenizer, texts) == [(0, 4), (2, 2), (1, 2), (0, 0)]


def test_the_embedded_model_s_first_tokenizer_counts_too():
    words = word_tokenizer(["no effusion."])
    assert unknown_words(words, ["No banana."]) == [(1, 2)]


@pytest.mark.parametrize("text", ["banana", "banana smoothie.", "胸部", "..."])
def test_a_text_without_a_known_word_is_refused(tokenizer, text):
    with pytest.raises(InputError, match="has no word that the checkpoint was trained on") as error:
        refuse_unknown(tokenizer, [text])
    assert text not in str(error.value)


def test_a_text_with_unknown_words_is_doubted_and_not_quoted(tokenizer):
    assert text_doubts(tokenizer, ["No effusion.", "small left effusion"]) == []
    (line,) = text_doubts(tokenizer, ["No effusion.", "left banana", "right banana banana"])
    assert line.startswith("T: text 2 of 3 (and 1 more) has words")
    assert "1 of 2" in line
    assert "banana" not in line


def test_false_alarms_are_as_often_as_it_says(tmp_path):
    familiarity = Familiarity.measure({F: _cloud(3000, 1)}, {F: _cloud(2000, 2)})
    assert familiarity.directions.shape == (256, DIRECTIONS)
    familiarity.save(tmp_path)
    again = Familiarity.load(tmp_path)
    assert again is not None
    beyond = (again.distances(_cloud(4000, 3)) > 1).float().mean()
    assert 0.001 < float(beyond) < 0.012
    strange = torch.randn(50, 256, generator=torch.Generator().manual_seed(4))
    assert (again.distances(strange) > 1).all()


def test_with_the_autoencoder_s_errors_the_two_limits_together_have_that_share(tmp_path):
    generator = torch.Generator().manual_seed(9)
    errors = 0.01 * torch.rand(2000, generator=generator)
    familiarity = Familiarity.measure({F: _cloud(3000, 1)}, {F: _cloud(2000, 2)}, errors=errors)
    familiarity.save(tmp_path)
    again = Familiarity.load(tmp_path)
    seen = _cloud(4000, 3)
    usual = 0.01 * torch.rand(4000, generator=generator)
    beyond = (again.distances(seen, usual) > 1).float().mean()
    assert 0.001 < float(beyond) < 0.012
    assert (again.distances(seen, torch.full((4000,), 0.02)) > 1.9).all()
    assert (again.distances(seen) <= again.distances(seen, usual)).all()


def test_a_view_given_as_the_other_is_told(tmp_path):
    apart = torch.zeros(256)
    apart[:64] = 0.3
    training, held_out = ({F: _cloud(2000, i), L: _cloud(2000, i + 1) + apart} for i in (1, 3))
    Familiarity.measure(training, held_out).save(tmp_path)
    again = Familiarity.load(tmp_path)
    for view, other in ((F, L), (L, F)):
        wrong = again.of_the_other_view(view, held_out[other]).float().mean()
        assert float(wrong) > 0.95
        assert float(again.of_the_other_view(view, training[view]).float().mean()) < 0.01
    (line,) = picture_doubts(again, F, held_out[L][:1])
    assert line.startswith("F: the picture looks like a lateral view")
    assert line.endswith("give it as L if it is one")
    (line,) = picture_doubts(again, L, held_out[F][:40])
    assert "pictures look like a frontal view" in line


def test_of_many_pictures_those_that_chance_explains_are_not_told():
    familiarity = Familiarity.measure({F: _cloud(3000, 1)}, {F: _cloud(2000, 2)}, 0.005)
    seen = _cloud(4000, 3)
    distances = familiarity.distances(seen)
    inside = seen[distances < 1][:63]
    beyond = seen[(distances > 1) & (distances < 1.4)]
    assert len(beyond) >= 4
    assert picture_doubts(familiarity, F, beyond[:1]) != []
    assert picture_doubts(familiarity, F, torch.cat([inside, beyond[:1]])) == []
    (line,) = picture_doubts(familiarity, F, torch.cat([inside, beyond[:4]]))
    assert line.startswith("F: 4 of 67 pictures do not look like")
    strange = torch.randn(1, 256, generator=torch.Generator().manual_seed(4))
    (line,) = picture_doubts(familiarity, F, torch.cat([inside, strange]))
    assert line.startswith("F: 1 of 64 pictures does not look like")


def test_a_file_of_before_says_nothing_of_errors_and_views(tmp_path):
    from codixr.model.tensor_file import write_tensors

    usual = Familiarity.measure({F: _cloud(300, 1)}, {F: _cloud(200, 2)})
    numbers = {"numbers": '{"limit": 1.0, "false_alarms": 0.005}'}
    tensors = {"mean": usual.mean, "directions": usual.directions}
    write_tensors(tmp_path / "familiarity.safetensors", tensors, numbers)
    again = Familiarity.load(tmp_path)
    assert (again.error_limit, again.lateral) == (None, None)
    seen = _cloud(10, 3)
    assert torch.equal(again.distances(seen, torch.ones(10)), again.distances(seen))
    assert not again.of_the_other_view(L, seen).any()


def test_a_checkpoint_without_it_doubts_no_picture_and_a_damaged_one_is_refused(tmp_path):
    assert Familiarity.load(tmp_path) is None
    assert picture_doubts(None, Modality.F, torch.zeros(1, 4)) == []
    (tmp_path / "familiarity.safetensors").write_bytes(b"no")
    with pytest.raises(InputError, match="damaged"):
        Familiarity.load(tmp_path)


def test_each_kind_is_told_once():
    doubts = Doubts()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        doubts.tell("T", [])
        for kind in ("T", "T", "F"):
            doubts.tell(kind, [f"{kind}: strange"])
    assert [str(w.message) for w in caught] == ["T: strange", "F: strange"]
    assert all(w.category is OutsideTrainingWarning for w in caught)


def test_the_embedded_checkpoint_refuses_and_warns(pipe):
    with pytest.raises(InputError, match="no word that the checkpoint was trained on"):
        pipe({"T": "banana smoothie."}, "F", num_inference_steps=1)
    with pytest.warns(OutsideTrainingWarning, match="1 of 3"):
        pipe({"T": "left pleural banana"}, "F", num_inference_steps=1, seed=0)


def _seen(pipe, pixels):
    """Distances of pixels [B, 1, H, W], and their vectors."""
    with torch.no_grad():
        vectors = pipe.prompt_encoder.encode_image(pixels)
    return pipe.familiarity.distances(vectors, autoencoder_errors(pipe.image_vae, pixels)), vectors


@pytest.fixture(scope="module")
def own():
    data = PhantomDataset("test", limit=300)
    return {v: torch.from_numpy(data.images(v)[:300].copy())[:, None] / 255 for v in (F, L)}


def test_the_embedded_checkpoint_knows_its_own_pictures_and_their_views(pipe, own):
    for view, other in ((F, L), (L, F)):
        distances, vectors = _seen(pipe, own[view])
        assert float((distances > 1).float().mean()) < 0.03
        assert float(pipe.familiarity.of_the_other_view(view, vectors).float().mean()) < 0.03
        assert float(pipe.familiarity.of_the_other_view(other, vectors).float().mean()) > 0.7


@pytest.mark.parametrize("name", ["noise", "photograph", "pair", "upside down", "negative", "grey"])
def test_what_is_no_chest_x_ray_is_none_of_them(pipe, own, name):
    from sklearn.datasets import load_sample_image

    generator = torch.Generator().manual_seed(0)
    photograph = torch.from_numpy(load_sample_image("china.jpg").mean(2))[None, None] / 255
    resized = torch.nn.functional.interpolate
    both = torch.cat([own[F], own[L]], 3)
    pixels = {
        "noise": torch.rand(20, 1, 64, 64, generator=generator),
        "photograph": resized(photograph.float(), (64, 64), mode="area"),
        "pair": resized(both, (64, 64), mode="area"),
        "upside down": own[F].flip(2),
        "negative": 1 - own[F],
        "grey": torch.full((1, 1, 64, 64), 0.5),
    }[name]
    assert float((_seen(pipe, pixels)[0] > 1).float().mean()) > 0.97


def test_a_real_film_is_none_of_them(pipe):
    data_store = pytest.importorskip("data_store", reason="pydicom-data is not installed")
    from codixr.data.picture import fit_square, read_radiograph

    path = Path(data_store.__file__).parent / "data" / "RG1_UNCR.dcm"
    film = fit_square(read_radiograph(path).pixels, pipe.size)
    with pytest.warns(OutsideTrainingWarning, match="F: the picture does not look like"):
        pipe({"F": film}, "T", num_inference_steps=1, seed=0)


def test_a_saved_checkpoint_keeps_it(pipe, tmp_path):
    pipe.save_pretrained(tmp_path)
    again = CoDiXRPipeline.from_pretrained(tmp_path)
    assert again.familiarity is not None
    assert again.familiarity.limit == pipe.familiarity.limit
    assert again.familiarity.error_limit == pipe.familiarity.error_limit
    assert again.familiarity.view_limits == pipe.familiarity.view_limits

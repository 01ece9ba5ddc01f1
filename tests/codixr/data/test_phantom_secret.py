"""A secret split is the same distribution, and nobody without the key can look it up."""

import hashlib
import hmac
import pickle

import numpy as np
import pytest

from codixr.data.labels import PATHOLOGIES
from codixr.data.phantom import PhantomDataset
from codixr.data.phantom.case import labels_of, sample_case
from codixr.data.phantom.secret import SecretPhantomDataset, read_key, study_seed
from codixr.errors import InputError
from codixr.modality import Modality

KEY = bytes(range(32))
OTHER = bytes(32)


def test_a_study_s_seed_is_the_hmac_of_its_split_and_index():
    expected = hmac.new(KEY, b"secret/7", hashlib.sha256).hexdigest()
    assert f"{study_seed(KEY, 'secret', 7):064x}" == expected
    assert len({study_seed(k, "secret", i) for k in (KEY, OTHER) for i in range(50)}) == 100


def test_equal_keys_give_equal_studies_and_others_give_others():
    one, same, other = (SecretPhantomDataset(key, limit=3) for key in (KEY, KEY, OTHER))
    for index in range(3):
        assert np.array_equal(one[index].frontal, same[index].frontal)
        assert one[index].report == same[index].report
        assert not np.array_equal(one[index].frontal, other[index].frontal)
    assert one.fingerprint == same.fingerprint != other.fingerprint
    assert one.fingerprint != SecretPhantomDataset(KEY, limit=2).fingerprint


def test_pictures_in_memory_are_those_of_the_studies_and_reports_need_none():
    data = SecretPhantomDataset(KEY, limit=3)
    before = [data[i] for i in range(3)]
    assert data.reports() == [study.report for study in before]
    frontal, lateral = (data.images(view) for view in (Modality.F, Modality.L))
    for index, study in enumerate(before):
        assert np.array_equal(data[index].frontal, study.frontal)
        assert np.array_equal(frontal[index] / np.float32(255), study.frontal[0])
        assert np.array_equal(lateral[index] / np.float32(255), study.lateral[0])
    assert data.study_ids() == [study.study_id for study in before]


def test_what_a_study_is_called_tells_neither_its_seed_nor_the_key():
    data = SecretPhantomDataset(KEY, limit=2)
    study = data[1]
    assert data.key_sha256 == hashlib.sha256(KEY).hexdigest()
    assert str(study_seed(KEY, "secret", 1)) not in study.study_id
    assert KEY.hex() not in f"{study.study_id}{data.fingerprint}"


def test_findings_are_as_frequent_as_in_the_public_split():
    n = 2000
    cases = (labels_of(sample_case(study_seed(KEY, "secret", i), 0)) for i in range(n))
    secret = np.array([[row[name] == 1 for name in PATHOLOGIES] for row in cases])
    public = PhantomDataset("test").label_matrix(PATHOLOGIES) == 1
    error = np.sqrt(2 * public.mean(axis=0) * (1 - public.mean(axis=0)) / n)
    assert (np.abs(secret.mean(axis=0) - public.mean(axis=0)) < 4 * error).all()


@pytest.mark.parametrize(
    ("content", "says"), [(b"", "0 bytes"), (b"x" * 31, "31 bytes"), (b"x" * 99, "more than 32")]
)
def test_a_file_that_is_no_key_is_refused_with_the_cure(tmp_path, content, says):
    path = tmp_path / "key"
    path.write_bytes(content)
    with pytest.raises(InputError, match=says) as caught:
        read_key(path)
    assert "head -c 32 /dev/urandom" in str(caught.value)
    with pytest.raises(InputError, match="cannot be read"):
        read_key(tmp_path / "absent")


def test_a_size_a_limit_and_an_index_outside_are_refused():
    with pytest.raises(InputError, match="64 or 256"):
        SecretPhantomDataset(KEY, size=128)
    with pytest.raises(InputError, match="leaves no study"):
        SecretPhantomDataset(KEY, limit=0)
    with pytest.raises(IndexError):
        SecretPhantomDataset(KEY, limit=2)[2]
    assert len(pickle.loads(pickle.dumps(SecretPhantomDataset(KEY, limit=2)))) == 2

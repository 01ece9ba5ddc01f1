"""How a track's recipe becomes a dataset: a recipe names one of these functions, module:function.

A function for your own track takes the same four arguments and may live in any package.
"""

from pathlib import Path

from codixr.data.dataset import StudyDataset
from codixr.data.study import Split, Study
from codixr.errors import InputError
from codixr.modality import Modality


class FirstStudies:
    """The first ``n`` studies of a dataset; the fingerprint stays the dataset's."""

    def __init__(self, dataset: StudyDataset, n: int) -> None:
        self.name = dataset.name
        self.version = dataset.version
        self.split: Split = dataset.split
        self.fingerprint = dataset.fingerprint
        self.modalities: frozenset[Modality] = dataset.modalities
        self._dataset = dataset
        self._n = min(n, len(dataset))

    def __len__(self) -> int:
        return self._n

    def __getitem__(self, index: int) -> Study:
        """The study at ``index``, 0-based; IndexError outside the first ``n``."""
        if not 0 <= index < self._n:
            raise IndexError(f"index {index} is outside the first {self._n} studies")
        return self._dataset[index]


def open_phantom(
    split: Split, limit: int | None, data_dir: Path | None, image_size: int | None
) -> StudyDataset:
    """The simulated studies; InputError for ``--data``: there is nothing to read."""
    from codixr.data.phantom import PhantomDataset

    if data_dir is not None:
        raise InputError("track 'phantom' is simulated and reads no files: leave --data out")
    return PhantomDataset(split, size=image_size or 64, limit=limit)


def open_secret_phantom(key: Path, limit: int | None, image_size: int | None) -> StudyDataset:
    """Simulated studies of a key file; InputError where it isn't one."""
    from codixr.data.phantom.secret import SecretPhantomDataset, read_key

    return SecretPhantomDataset(read_key(key), image_size or 64, limit)


def open_openi(
    split: Split, limit: int | None, data_dir: Path | None, image_size: int | None
) -> StudyDataset:
    """OpenI's impressions; ``data_dir`` is another copy of the archive, or the folder it is in."""
    from codixr.data.openi import OpenIDataset

    archive = data_dir
    if data_dir is not None and data_dir.is_dir():
        archive = data_dir / "NLMCXR_reports.tgz"
    dataset = OpenIDataset(split, archive)
    return dataset if limit is None else FirstStudies(dataset, limit)


def open_openi_pictures(
    split: Split, limit: int | None, data_dir: Path | None, image_size: int | None
) -> StudyDataset:
    """OpenI as ``codixr prepare openi`` wrote it: pictures, impressions, MeSH labels."""
    return _open_prepared("openi", split, limit, data_dir, image_size)


def open_ct(
    split: Split, limit: int | None, data_dir: Path | None, image_size: int | None
) -> StudyDataset:
    """Chest CT as ``codixr prepare ct`` wrote it."""
    return _open_prepared("ct", split, limit, data_dir, image_size)


def open_mimic(
    split: Split, limit: int | None, data_dir: Path | None, image_size: int | None
) -> StudyDataset:
    """MIMIC-CXR as ``codixr prepare mimic-cxr`` wrote it; InputError without its folder."""
    return _open_prepared("mimic-cxr", split, limit, data_dir, image_size)


def open_mimic_jpg(
    split: Split, limit: int | None, data_dir: Path | None, image_size: int | None
) -> StudyDataset:
    """MIMIC-CXR-JPG as ``codixr prepare mimic-cxr --release jpg`` wrote it."""
    return _open_prepared("mimic-cxr-jpg", split, limit, data_dir, image_size)


def _open_prepared(
    track: str, split: Split, limit: int | None, data_dir: Path | None, image_size: int | None
) -> StudyDataset:
    from codixr.data.prepared import PreparedDataset

    if data_dir is None:
        raise InputError(
            f"track '{track}' needs --data DIR, a folder of `codixr prepare` (see docs/data.md)"
        )
    dataset = PreparedDataset(data_dir, split, limit)
    if dataset.name != track:
        raise InputError(
            f"'{data_dir}' holds data of track '{dataset.name}': use --track {dataset.name}"
        )
    if image_size is not None and dataset.size != image_size:
        raise InputError(
            f"'{data_dir}' holds pictures of {dataset.size}×{dataset.size}; track '{track}' has "
            f"{image_size}×{image_size}: prepare it again with --image-size {image_size}"
        )
    return dataset

"""Which group each study of a result is in: asked of the track's data, or of the user's tables."""

from collections.abc import Sequence
from pathlib import Path

from codixr.data.dataset import StudyDataset
from codixr.data.groups import Groups, HasGroups, read_groups
from codixr.errors import InputError
from codixr_bench.result import Result
from codixr_bench.track import Track


def groups_of(
    result: Result,
    attributes: Sequence[str],
    data: Path | None = None,
    tables: Path | None = None,
    file: Path | None = None,
) -> Groups:
    """The attributes asked for, one value a study, in the result's order.

    Args:
        result: says which studies.
        attributes: e.g. sex, age.
        data: the folder that the track's data are in, if it needs one.
        tables: the folder of MIMIC's own tables; of CT, the table of headers or its folder.
        file: a table of the user's, which goes before the others.

    Raises InputError: data that are not the result's, an attribute that nobody gives, and what
    ``read_groups``, ``mimic_groups`` and ``ct_groups`` refuse.
    """
    dataset = _dataset(result, data)
    found = _of(result, dataset, attributes, tables, file)
    for attribute, values in found.items():
        if not any(value is not None for value in values):
            raise InputError(f"--by {attribute}: it is known of no study of the result")
    return found


def _of(
    result: Result,
    dataset: StudyDataset,
    attributes: Sequence[str],
    tables: Path | None,
    file: Path | None,
) -> Groups:
    if file is not None:
        return read_groups(file, attributes, *_names(dataset))
    if result.track.name.startswith("mimic-cxr"):
        from codixr.data.mimic_groups import mimic_groups

        if tables is None:
            raise InputError(
                "--by: MIMIC-CXR's groups are in its tables: name their folder, --tables"
            )
        return mimic_groups(tables, attributes, *_names(dataset))
    if result.track.name == "ct":
        from codixr.data.ct_groups import ct_groups

        if tables is None:
            raise InputError(
                "--by: a CT collection's groups are in its table of headers: name it, --tables"
            )
        return ct_groups(tables, attributes, _names(dataset)[0])
    if tables is not None:
        raise InputError("--tables is for MIMIC-CXR and CT; name a table of your own with --groups")
    if isinstance(dataset, HasGroups):
        every = dataset.groups()
    elif result.track.name == "openi":
        from codixr.data.openi_groups import openi_groups

        every = openi_groups(_names(dataset)[0])
    else:
        every = {}
    for attribute in attributes:
        if attribute not in every:
            has = f"it has: {', '.join(every)}" if every else "it knows none"
            raise InputError(
                f"--by: track '{result.track.name}' has no groups '{attribute}'; {has} "
                "(or name a table of your own with --groups)"
            )
    return {attribute: every[attribute] for attribute in attributes}


def _dataset(result: Result, data: Path | None) -> StudyDataset:
    track = Track.load(result.track.name).with_data(data)
    if result.track.split == "secret":
        raise InputError("a secret split's studies have no groups here")
    dataset = track.dataset(result.track.split, result.track.n, data)
    if dataset.fingerprint != result.track.fingerprint or len(dataset) != result.track.n:
        raise InputError(
            f"the result is of other studies than track '{track.name}' has here: give the --data "
            "that it was made from"
        )
    return dataset


def _names(dataset: StudyDataset) -> tuple[list[str], list[str]]:
    """Study and patient ids, without reading a picture where they are at hand."""
    listed = [
        list(ids())
        for kind in ("study_ids", "subject_ids")
        if callable(ids := getattr(dataset, kind, None))
    ]
    if len(listed) == 2:
        return listed[0], listed[1]
    rows = [dataset[i] for i in range(len(dataset))]
    return [study.study_id for study in rows], [study.subject_id for study in rows]

"""CheXbert (Smit et al. 2020) behind the labeler's interface, by the package radeval.

Needs ``pip install 'codixr[radeval]'``; radeval fetches the model's weights on first use. Its
interface gives 1, -1 and one number for "absent" and "not mentioned": both are None here.
"""

from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version

from codixr.data.labels import OBSERVATIONS
from codixr.errors import InputError
from codixr_bench.backbones.placement import device
from codixr_bench.labeler.labels import Labels


class ChexbertLabeler:
    """Labels by CheXbert; InputError when the package or its weights are missing."""

    name = "chexbert"
    tells_absent = False

    def __init__(self) -> None:
        try:
            from radeval.metrics.f1chexbert import F1CheXbert  # type: ignore[import-not-found]
        except ImportError as error:
            raise InputError(
                f"labeler 'chexbert' needs the package radeval ({error.name or error} is missing): "
                "`pip install 'codixr[radeval]'`"
            ) from error
        try:
            self._model = F1CheXbert(device=str(device()))
        except Exception as error:  # whatever its download raises
            raise InputError(
                f"radeval cannot load CheXbert ({type(error).__name__}: {str(error)[:200]}); "
                "its weights are downloaded on first use"
            ) from error
        unknown = set(OBSERVATIONS) - set(self._model.TARGET_NAMES)
        if unknown:
            raise InputError(f"this radeval's CheXbert has no '{min(unknown)}'; use radeval 2.2")
        try:
            self.version = f"radeval-{version('radeval')}"
        except PackageNotFoundError:
            self.version = "radeval-unknown"

    def label(self, reports: Sequence[str]) -> list[Labels]:
        """The labels of each report: 1, -1 or None."""
        names = list(self._model.TARGET_NAMES)
        places = [names.index(name) for name in OBSERVATIONS]
        rows = self._model.get_labels(list(reports), mode="classification")
        return [tuple(row[i] if row[i] in (1, -1) else None for i in places) for row in rows]

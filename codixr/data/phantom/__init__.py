"""The phantom track's data: simulated chest X-rays and reports, made from (seed, index) alone.

Nothing here says anything about patients. A study is a 3-D attenuation volume (``anatomy``,
``findings``) seen along two axes (``render``), and a report of the same ground truth (``case``,
``grammar``); ``dataset`` offers them as a ``StudyDataset``. ``judge`` (needs torch; import it by
its name) is the classifier that scores generated pictures of this track.
"""

from codixr.data.phantom.dataset import SPLIT_SIZES, PhantomDataset
from codixr.data.phantom.grammar import labels_from_report

__all__ = ["SPLIT_SIZES", "PhantomDataset", "labels_from_report"]

"""Whether a text is a chest report at all.

The labeler gives No Finding to any text without a mention, gibberish too; a model that writes none
of radiology's words must not be praised for healthy patients.
"""

import re

from codixr_bench.labeler.mentions import find_mentions
from codixr_bench.labeler.sentences import clean, split

_STEMS = (
    "chest lung pulmon cardi heart pleur thora mediast hilar radiograph x-ray abnormal disease "
    "finding acute normal clear unremarkable change examination evidence impression interval "
    "negative diaphragm hemidiaphragm airspace effusion adenopathy lymph"
)
_WORD = re.compile(rf"\b(?:{'|'.join(_STEMS.split())})")


def is_report(text: str) -> bool:
    """Whether the text mentions an observation, or uses a word that chest reports use."""
    cleaned = clean(text)
    return bool(_WORD.search(cleaned)) or any(find_mentions(s) for s in split(cleaned))

"""Groups of OpenI's patients, from the headers' table in the installed torchxrayvision.

``age`` from the headers' dates, ``view`` (AP or PA) from the frontal pictures' headers, which are
blank for a third of the pictures and sometimes wrong (``openi_pictures.py``). Sex is in no header.
"""

import csv
import gzip
import io
import zlib
from collections.abc import Sequence

from codixr.data.groups import Groups, age_band
from codixr.data.openi import find_archive
from codixr.errors import InputError

ATTRIBUTES = ("age", "view")
_TABLE = "nlmcxr_dicom_metadata.csv.gz"


def openi_groups(study_ids: Sequence[str]) -> Groups:
    """Both attributes of the studies ``CXR<number>``, None where no header says.

    Raises InputError where the table is missing or damaged.
    """
    path = find_archive().with_name(_TABLE)
    try:
        with gzip.open(path) as stream:
            text = stream.read().decode("utf-8")
        rows = list(csv.DictReader(io.StringIO(text, newline="")))
        ages: dict[str, str] = {}
        views: dict[str, set[str]] = {}
        for row in rows:
            study = f"CXR{row['Patient ID']}"
            taken, born = row["Study Date"], row["Patient's Birth Date"]
            if len(taken) == len(born) == 8 and (taken + born).isdecimal():
                years = int(taken[:4]) - int(born[:4]) - (taken[4:] < born[4:])
                if 0 <= years <= 120:
                    ages.setdefault(study, age_band(years))
            if row["View Position"] in ("AP", "PA"):
                views.setdefault(study, set()).add(row["View Position"])
    except (OSError, EOFError, KeyError, UnicodeDecodeError, csv.Error, zlib.error) as error:
        kind = type(error).__name__  # the message itself could quote a cell
        raise InputError(
            f"track 'openi': {path} is damaged ({kind}); reinstall torchxrayvision"
        ) from None
    return {
        "age": [ages.get(study) for study in study_ids],
        "view": [" and ".join(sorted(views[s])) if s in views else None for s in study_ids],
    }

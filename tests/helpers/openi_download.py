"""A download of OpenI's pictures and the tables of the package, made up."""

import csv
import gzip
import io
import tarfile
from pathlib import Path

import numpy as np
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ComputedRadiographyImageStorage, ExplicitVRLittleEndian, generate_uid

from codixr.data.openi_pictures import HEADERS, PROJECTED

SECRET = "zebra-words"
# number: (impression, terms, {picture: (view in the headers or None, view by projection)})
STUDIES = {
    9001: (f"{SECRET}.", ["normal"], {"1": ("PA", ""), "2": ("LL", "")}),
    9002: ("Large.", ["Cardiomegaly/mild", "Density/lung"], {"1": ("", "PA"), "2": ("", "L")}),
    9003: ("Clear.", ["No Indexing"], {"1": ("AP", ""), "2": ("PA", ""), "3": ("LATERAL", "")}),
    9004: ("No lateral.", ["normal"], {"1": ("PA", "")}),
    9005: ("View unknown.", ["normal"], {"1": ("PA", ""), "2": ("", "")}),
    9006: ("", ["normal"], {"1": ("PA", ""), "2": ("LL", "")}),
    9008: ("Both say PA.", ["normal"], {"1": ("PA", "PA"), "2": ("PA", "")}),
    9007: ("From the header.", ["normal"], {"1": ("PA", ""), "2": (None, "")}),
}  # fmt: skip


def picture(number: int, k: str) -> np.ndarray:
    return np.random.default_rng(number + int(k)).integers(0, 4096, (40, 32), dtype=np.uint16)


def write_dicom(path, pixels, view):
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = ComputedRadiographyImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[path.name])
    file = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    file.Rows, file.Columns = pixels.shape
    file.SamplesPerPixel, file.PhotometricInterpretation = 1, "MONOCHROME2"
    file.BitsAllocated, file.BitsStored, file.HighBit, file.PixelRepresentation = 16, 12, 11, 0
    file.ViewPosition, file.PixelData = view, pixels.tobytes()
    file.save_as(path)


def write_table(path, column, rows):
    text = io.StringIO()
    csv.writer(text).writerows([["imageid", column], *rows])
    path.write_bytes(gzip.compress(text.getvalue().encode()))


def write_download(root: Path) -> Path:
    """The package's tables, and a download whose names and forms vary as the releases' do."""
    with tarfile.open(root / "NLMCXR_reports.tgz", "w:gz") as tar:
        for number, (impression, terms, views) in STUDIES.items():
            major = "".join(f"<major>{term}</major>" for term in terms)
            images = "".join(
                f'<parentImage id="CXR{number}_1_IM-0001-{k}001"><caption>PA and lateral</caption>'
                "</parentImage>"
                for k in views
            )
            xml = (
                f'<eCitation><Abstract><AbstractText Label="IMPRESSION">{impression}'
                f"</AbstractText></Abstract><MeSH>{major}</MeSH>{images}</eCitation>"
            ).encode()
            member = tarfile.TarInfo(f"ecgen-radiology/{number}.xml")
            member.size = len(xml)
            tar.addfile(member, io.BytesIO(xml))
    views = {(n, k): v for n, (_, _, pictures) in STUDIES.items() for k, v in pictures.items()}
    write_table(
        root / HEADERS,
        "View Position",
        [[f"CXR{n}_IM-0001-{k}001", v] for (n, k), (v, _) in views.items() if v is not None],
    )
    projected = [[f"CXR{n}_1_IM-0001-{k}001", p] for (n, k), (_, p) in views.items() if p]
    write_table(root / PROJECTED, "tsne-view", projected)
    pictures = root / "pictures"
    for (n, k), (view, _) in views.items():
        folder = pictures / str(n)
        folder.mkdir(parents=True, exist_ok=True)
        if view is None:
            write_dicom(folder / f"{n}_IM-0001-{k}001.dcm", picture(n, k), "LL")
        elif k == "1":
            Image.fromarray(picture(n, k) >> 4).convert("L").save(
                folder / f"CXR{n}_1_IM-0001-{k}001.png"
            )
        else:
            write_dicom(folder / f"{n}_IM-0001-{k}001.dcm", picture(n, k), "")
    (pictures / "notes.png").write_bytes(b"of the user")
    return root

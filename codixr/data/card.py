"""What a prepared folder tells other programs of itself: a dataset card, and Croissant JSON-LD.

``README.md`` is read by HF ``datasets`` (which file belongs to which split) and by people;
``croissant.json`` by whatever reads Croissant 1.0 (MLCommons). Both are made from the manifest
alone: no identifier, no path, no date.
"""

import json
from pathlib import Path
from typing import Any

from codixr.atomic import write_atomically
from codixr.data.manifest import Manifest
from codixr.data.shard_file import huggingface_features

CARD_NAME, CROISSANT_NAME = "README.md", "croissant.json"

_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
_SIMULATED = "Simulated studies: no number of them says anything about patients."
_REAL = (
    "Pictures and reports of patients. It stays where your agreement allows; nothing of it may be "
    "published."
)


def write_card(folder: Path, manifest: Manifest) -> None:
    """Write ``README.md`` and ``croissant.json``; InputError when the disk is full."""
    write_atomically(folder / CARD_NAME, dataset_card(manifest).encode())
    text = json.dumps(croissant(manifest), indent=1) + "\n"
    write_atomically(folder / CROISSANT_NAME, text.encode())


def dataset_card(manifest: Manifest) -> str:
    """Markdown with the YAML head that HF ``datasets`` reads."""
    splits = {"train": "train", "val": "validation", "test": "test"}
    files = [
        f"  - split: {splits[split]}\n    path: {split}-*.parquet"
        for split, found in manifest.splits.items()
        if found.studies
    ]
    counts = ", ".join(f"{name} {found.studies:,}" for name, found in manifest.splits.items())
    size = manifest.image_size
    return "\n".join(
        [
            "---",
            "configs:",
            "- config_name: default",
            "  data_files:",
            *files,
            "---",
            "",
            f"# {manifest.track}: {size}×{size}, {counts} studies",
            "",
            _SIMULATED if manifest.simulated else _REAL,
            "",
            "One row a study. `frontal` and `lateral` are 16-bit grey PNG (65535 is white), as the",
            "benchmark reads them; `frontal_8bit` and `lateral_8bit` are the same with 8 bits, for",
            "whatever shows or converts pictures. `labels`: CheXpert's fourteen, 1, 0, -1",
            "(uncertain) or null (unknown). `manifest.json` holds the recipe, the counts and the",
            "sha256 of every file; `codixr prepare --verify DIR` compares them.",
            "",
        ]
    )


def croissant(manifest: Manifest) -> dict[str, Any]:
    """Croissant 1.0: a file object a shard, a record set a split."""
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "name": f"{manifest.track}-{manifest.image_size}",
        "description": _SIMULATED if manifest.simulated else _REAL,
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "url": "https://github.com/codixr/codixr",
        "version": f"{manifest.track_version.partition('-')[0]}.0.0",
        "distribution": [
            {
                "@type": "cr:FileObject",
                "@id": shard.file,
                "name": shard.file,
                "contentUrl": shard.file,
                "encodingFormat": "application/x-parquet",
                "sha256": shard.sha256,
            }
            for shard in manifest.shards
        ],
        "recordSet": [
            {
                "@type": "cr:RecordSet",
                "@id": f"studies-{shard.file.removesuffix('.parquet')}",
                "name": f"studies-{shard.file.removesuffix('.parquet')}",
                "field": [_field(shard.file, name) for name in huggingface_features()],
            }
            for shard in manifest.shards
        ],
    }


def _field(file: str, column: str) -> dict[str, Any]:
    name = f"studies-{file.removesuffix('.parquet')}/{column}"
    return {
        "@type": "cr:Field",
        "@id": name,
        "name": name,
        "dataType": "sc:ImageObject" if column.endswith("_8bit") else "sc:Text",
        "source": {"fileObject": {"@id": file}, "extract": {"column": column}},
    }

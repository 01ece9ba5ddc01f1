"""``codixr-bench backbones``: the networks that pictures are compared in, and where weights go."""

import argparse
import json
from typing import Any

from codixr.arguments import add_json
from codixr_bench.backbones.fetching import plan
from codixr_bench.backbones.lock import assets
from codixr_bench.backbones.published import SCORE_NAMES
from codixr_bench.backbones.weights import WEIGHTS, sha256_of, stored, weights_folder

_WHAT = {
    "inception": "Inception v3 of torch-fidelity, 2048 features",
    "xrv": "DenseNet-121 of torchxrayvision, all data sets, 1024 features",
    "xrv-chex": "the same, trained on CheXpert alone: never saw MIMIC",
    "xrv-mimic": "the same, trained on MIMIC-CXR alone",
    "dinov2-s": "DINOv2 ViT-S/14, 384 features",
    "dinov2-b": "DINOv2 ViT-B/14, 768 features",
    "dinov2-l": "DINOv2 ViT-L/14, 1024 features",
}
_SHIPPED = {
    "phantom": "the judge of the phantom track (fid_phantom)",
    "phantom-second": "its second judge, another network (fid_phantom_second)",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``backbones``."""
    add_json(parser)


def main(parsed: argparse.Namespace) -> int:
    """Print every backbone and the state of its weights; exit code 0."""
    rows = [*(_row(name) for name in WEIGHTS), _rad_dino()]
    if parsed.json:
        shipped = [
            {"name": name, "score": f"fid_{name.replace('-', '_')}", "state": "shipped"}
            for name in _SHIPPED
        ]
        print(json.dumps([*shipped, *rows], indent=2))
        return 0
    for name, what in _SHIPPED.items():
        print(f"{name:<11} shipped with codixr: {what}")
    for row in rows:
        print(f"\n{row['name']:<11} {row['what']} ({row['score']})")
        print(f"  {row['state']}: {row['path']}")
        print(f"  {row['url']}")
        print(f"  sha256 {row['sha256']}")
        if more := row.get("also"):
            print(f"  also {more}")
    print(
        "\nMissing weights are downloaded at their first use. Without a network, put the file at "
        "its path,\nor give it to run, score or fid: --weights inception=FILE. All at once: "
        "codixr-bench fetch weights"
    )
    return 0


def _row(name: str) -> dict[str, Any]:
    file = WEIGHTS[name]
    path = stored(file)
    state = "missing"
    if path is not None:
        state = "present" if sha256_of(path) == file.sha256 else "present, but not that sha256"
    return {
        "name": name,
        "score": f"fid_{SCORE_NAMES[name]}",
        "what": _WHAT[name],
        "state": state,
        "path": str(path or weights_folder() / file.file_name),
        "url": file.url,
        "sha256": file.sha256,
        "size": file.size,
        "licence": file.licence,
    }


def _rad_dino() -> dict[str, Any]:
    asset = assets()["rad-dino"]
    weights = plan(asset)[0]
    here = all(one.state == "here" for one in plan(asset))
    return {
        "name": asset.name,
        "score": f"fid_{SCORE_NAMES[asset.name]}",
        "what": "RAD-DINO ViT-B/14 at 518, 768 features: the field's space for chest X-rays",
        "state": "present" if here else "missing",
        "path": str(weights.path),
        "url": weights.file.urls[0],
        "sha256": weights.file.sha256,
        "size": weights.file.size,
        "licence": asset.licence,
        "also": f"rad-dino-cgb (fid_{SCORE_NAMES['rad-dino-cgb']}): squashed as CheXGenBench does",
    }

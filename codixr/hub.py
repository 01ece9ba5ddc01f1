"""Snapshots from the Hugging Face hub."""

from pathlib import Path

from codixr.errors import InputError


def download(name: str, revision: str | None) -> Path:
    """A hub's snapshot: weights, configs and vocabularies; InputError where it does not answer."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    patterns = ["*.json", "*.safetensors", "*.txt", "*.md"]
    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=patterns))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError, ValueError) as error:
        pinned = f" --revision {revision}" if revision else ""
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise InputError(
            f"'{name}' is not a folder here, and the Hugging Face hub did not give it ({reason}); "
            f"offline, run `hf download {name}{pinned} --local-dir DIR` on a machine that is "
            "online, and give that folder"
        ) from None

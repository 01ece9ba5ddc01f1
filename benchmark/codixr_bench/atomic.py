"""Whole files or none: ``codixr.atomic``, under the name that the benchmark's modules use."""

from codixr.atomic import (
    disk_full,
    is_disk_full,
    make_folder,
    remove_parts,
    write_atomically,
)

__all__ = ["disk_full", "is_disk_full", "make_folder", "remove_parts", "write_atomically"]

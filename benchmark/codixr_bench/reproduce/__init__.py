"""A whole table made again: fetch, prepare, run, tables, and a bundle that can be checked."""

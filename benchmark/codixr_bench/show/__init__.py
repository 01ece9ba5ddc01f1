"""How results look: numbers, tables, LaTeX, plots."""

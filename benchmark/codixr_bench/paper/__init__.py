"""The paper's printed numbers, its tables, and what does not follow from them."""

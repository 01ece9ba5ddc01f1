"""Studies and the datasets they come from."""

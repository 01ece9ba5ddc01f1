"""Two results on the same studies: differences, and the gate."""

"""A run: studies to samples, samples to scores, scores to files."""

"""Validated result files become a results table."""

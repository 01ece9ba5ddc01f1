"""Resampling, intervals, influences and tests; no metric is named here."""

"""Metrics: each turns reference studies and samples into scores with intervals and signatures."""

"""Contracts to try one's own model or metric against: ``check_model``, ``check_metric``."""

from codixr_bench.testing.metric_contract import check_metric
from codixr_bench.testing.model_contract import check_model
from codixr_bench.testing.report import Fault, Report

__all__ = ["Fault", "Report", "check_metric", "check_model"]

"""The report labeler: CheXpert's fourteen observations from a report's text."""

DEFAULT = "chexpert-rules"
"""The labeler that is used unless another is named."""
CLINICAL = "chexpert-clinical"
"""The same words, read as a radiologist would; never what published numbers were made with."""

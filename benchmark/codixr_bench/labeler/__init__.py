"""The report labeler: CheXpert's fourteen observations from a report's text."""

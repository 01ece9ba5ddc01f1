"""What a pipeline warns and logs of its inputs, as lines for the user of a command."""

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class _Cut(logging.Handler):
    """Texts over the model's limit: logged as they are cut."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self.tell = tell

    def emit(self, record: logging.LogRecord) -> None:
        """Tell the line."""
        self.tell(record.getMessage())


@contextmanager
def noting_doubts(note: Callable[[str], None], doubts: list[str]) -> Iterator[None]:
    """An input unlike the training, and a text that is cut, become lines for the user.

    The lines stand in ``doubts`` afterwards.
    """
    from codixr.model import prompts
    from codixr.model.familiarity import OutsideTrainingWarning

    def tell(line: str) -> None:
        doubts.append(line)
        note(line)

    cut, passed_on = _Cut(tell), prompts.logger.propagate
    prompts.logger.addHandler(cut)
    prompts.logger.propagate = False
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", OutsideTrainingWarning)
            yield
    finally:
        prompts.logger.removeHandler(cut)
        prompts.logger.propagate = passed_on
    for warning in caught:
        if issubclass(warning.category, OutsideTrainingWarning):
            tell(str(warning.message))
        else:
            warnings.warn_explicit(
                warning.message, warning.category, warning.filename, warning.lineno
            )

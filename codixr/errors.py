"""The one exception for input that a person can mend."""


class InputError(Exception):
    """Bad input: the message names the file or value and the cure; command lines exit with code 2.

    The message must hold no patient's text, picture or identifier: name a study by its position.
    """

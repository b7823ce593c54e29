"""The exceptions that mean "the user can fix this"."""


class InputError(ValueError):
    """Bad input from outside: a file, a folder, a name, a setting.

    The message is one sentence that says what is wrong, where, and what to do. The command line prints it
    without a traceback and exits with code 2; a cell that raises it is not tried again.
    """


class NotFiniteError(InputError):
    """The loss of a training is infinite or not a number. The newest checkpoint holds the last good step."""

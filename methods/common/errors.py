"""The one exception that means "the user can fix this"."""


class InputError(ValueError):
    """Bad input from outside: a file, a folder, a name, a setting.

    The message is one sentence that says what is wrong, where, and what to do. The command line prints it
    without a traceback and exits with code 2; a cell that raises it is not tried again.
    """

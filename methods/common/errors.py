"""The exceptions that mean "the user can fix this"."""


class InputError(ValueError):
    """Bad input from outside: a file, a folder, a name, a setting.

    The message is one sentence that says what is wrong, where, and what to do. The command line prints it
    without a traceback and exits with code 2; a cell that raises it is not tried again.
    """


class NotFiniteError(InputError):
    """The loss of a training is infinite or not a number. The newest checkpoint holds the last good step."""


def reason(error: Exception) -> str:
    """Say in a few words what a library or the system found wrong, for the middle of a sentence that already names the place."""
    if isinstance(error, UnicodeDecodeError):
        return "it is compressed by gzip" if error.object[:2] == b"\x1f\x8b" else "it is no UTF-8 text"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, KeyError):
        return f"{error} is missing"
    if isinstance(error, AttributeError | TypeError):
        return "something in it is of another kind"
    return " ".join(str(error).split()) or type(error).__name__

"""The one error that ends the script with a message instead of a traceback."""


class BuildError(Exception):
    """What went wrong, and `hint`: what the user can do about it."""

    def __init__(self, message, hint=None):
        super().__init__(message)
        self.hint = hint

"""The one exception for mistakes that the user can mend."""


class UserError(Exception):
    """A user's mistake, told in one sentence: what (file or parameter), expected, found, what to do.

    Command lines print the sentence and exit with status 2; Jupyter shows it without a traceback.
    """

    def _render_traceback_(self) -> list[str]:
        # IPython asks an exception for this method before it formats a traceback of its own.
        return [f"UserError: {self}"]

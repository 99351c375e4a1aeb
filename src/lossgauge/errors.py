"""The errors a user can meet: one root, one clear line each.

Every message says what was given, what was expected and what to do. The command line prints it and leaves with
`exit_code`; in Python it is raised as it is.
"""


class LossgaugeError(Exception):
    """The root of all errors lossgauge raises on purpose.

    Attributes:
        exit_code: What the command line returns when the error reaches it.
    """

    exit_code = 2


class InputError(LossgaugeError):
    """What was given cannot be used: unknown name, value out of range, missing argument."""


class LawError(LossgaugeError):
    """A law was asked to do what it cannot: no exponents exist, or none are known for this setting."""


class ObservationError(LossgaugeError):
    """The user's object ran, but nothing could be learned from it (it moves nothing, it does not repeat itself)."""


class ScriptError(LossgaugeError):
    """The user's own code failed; its traceback is shown untouched."""

    exit_code = 3

"""Finding laws in a child process, by a function whose name came with the request."""

from typing import Any

from lossgauge.laws.law import Law


class LawLookup:
    """A function named in a request, imported when it is first needed: after the user's script, never before it."""

    def __init__(self, name: str) -> None:
        """Hold its name.

        Args:
            name: `module:name`.
        """
        self.name = name

    def __call__(self, optimizer: Any) -> Law:
        """Call the function.

        Args:
            optimizer: A live optimizer.

        Returns:
            Its law.
        """
        from lossgauge.frameworks.torch.catalogue import load

        return load(self.name)(optimizer)

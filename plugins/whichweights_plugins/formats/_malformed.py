"""What a reader raises when a file is not what its name says."""

from __future__ import annotations

from whichweights_schemas.errors import InvalidArgument


class MalformedFile(InvalidArgument):
    """The file breaks the rules of its own format, or is larger than any honest file of it."""


class TruncatedFile(MalformedFile):
    """The bytes end before the header does. `needed` = the least total length that would help."""

    def __init__(self, message: str, needed: int) -> None:
        super().__init__(message, field="model", hint="Download the file again.")
        self.needed = needed


def malformed(message: str) -> MalformedFile:
    """The error for a broken file, with the next step."""
    hint = "Check that the download is complete and that the file is of this format."
    return MalformedFile(message, field="model", hint=hint)

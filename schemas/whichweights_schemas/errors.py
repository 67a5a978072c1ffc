"""The error tree, drawn by who must act.

    WhichweightsError
    ├── CallerError            the request must change
    │   ├── InvalidArgument            invalid_argument
    │   ├── ModelNotFound              model_not_found
    │   ├── AmbiguousModel             ambiguous_model
    │   ├── UnsupportedArchitecture    unsupported_architecture
    │   ├── UnknownAccelerator         unknown_accelerator
    │   ├── UnknownLanguage            unknown_language
    │   ├── UnknownQuantization        unknown_quantization
    │   └── InputTooLarge              input_too_large
    ├── OperatorError          whoever runs the product must install, configure or allow something
    │   ├── ModelGated                 model_gated
    │   ├── NoTokenizer                no_tokenizer
    │   ├── PathNotAllowed             path_not_allowed
    │   └── Offline                    offline
    └── UpstreamError          somebody else failed; retry later or ask another provider
        ├── ProviderFailed             provider_failed
        └── ProviderTimeout            provider_timeout

Every error carries a hint: the next step that would help. Codes are part of the contract.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, TypedDict

__all__ = [
    "AmbiguousModel",
    "CallerError",
    "ErrorDetail",
    "InputTooLarge",
    "InvalidArgument",
    "ModelGated",
    "ModelNotFound",
    "NoTokenizer",
    "Offline",
    "OperatorError",
    "PathNotAllowed",
    "ProviderFailed",
    "ProviderTimeout",
    "UnknownAccelerator",
    "UnknownLanguage",
    "UnknownQuantization",
    "UnsupportedArchitecture",
    "UpstreamError",
    "WhichweightsError",
]


class ErrorDetail(TypedDict, total=False):
    """The wire form of an error: what an MCP client finds in `structuredContent`."""

    code: str
    message: str
    field: str
    hint: str
    suggestions: list[str]


class WhichweightsError(Exception):
    """Root of the tree: one line for people, a stable code for programs, a hint for both."""

    code: ClassVar[str] = "error"

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        field: str | None = None,
        suggestions: Sequence[str] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.field = field
        self.suggestions = tuple(suggestions)

    def detail(self) -> ErrorDetail:
        """The error as the JSON object of the tool contract; empty members are left out."""
        detail: ErrorDetail = {"code": self.code, "message": self.message}
        if self.field:
            detail["field"] = self.field
        if self.hint:
            detail["hint"] = self.hint
        if self.suggestions:
            detail["suggestions"] = list(self.suggestions)
        return detail


class CallerError(WhichweightsError):
    """The caller must change the request."""


class InvalidArgument(CallerError):
    """An argument is unknown, missing, of the wrong form or without sense."""

    code = "invalid_argument"


class ModelNotFound(CallerError):
    """No provider knows a model of that name."""

    code = "model_not_found"


class AmbiguousModel(CallerError):
    """The name fits several models; the candidates are in `suggestions`."""

    code = "ambiguous_model"


class UnsupportedArchitecture(CallerError):
    """The model is known, its architecture is not understood well enough to compute with."""

    code = "unsupported_architecture"


class UnknownAccelerator(CallerError):
    """No table knows a device of that name, or the name fits devices that differ in memory."""

    code = "unknown_accelerator"


class UnknownLanguage(CallerError):
    """The text is neither a language tag nor the name of a language."""

    code = "unknown_language"


class UnknownQuantization(CallerError):
    """The text names no weight format, or several."""

    code = "unknown_quantization"


class InputTooLarge(CallerError):
    """The input is larger than the product is willing to process in one call."""

    code = "input_too_large"


class OperatorError(WhichweightsError):
    """Whoever runs the product must install, configure or allow something."""


class ModelGated(OperatorError):
    """The model exists, its files may be read only with an accepted licence and a token."""

    code = "model_gated"


class NoTokenizer(OperatorError):
    """The model is known, its tokenizer is not at hand."""

    code = "no_tokenizer"


class PathNotAllowed(OperatorError):
    """The path lies outside the folders the operator allowed."""

    code = "path_not_allowed"


class Offline(OperatorError):
    """The answer needs the network and the product runs offline."""

    code = "offline"


class UpstreamError(WhichweightsError):
    """A provider or the service behind it failed; the request itself may be fine."""


class ProviderFailed(UpstreamError):
    """A provider raised; its name and reason are in the message."""

    code = "provider_failed"


class ProviderTimeout(UpstreamError):
    """A provider did not answer before its deadline."""

    code = "provider_timeout"

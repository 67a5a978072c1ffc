"""Errors of huggingface_hub and its HTTP client → ours. The one place that knows both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from whichweights_schemas.errors import (
    InvalidArgument,
    ModelGated,
    ModelNotFound,
    Offline,
    ProviderFailed,
    ProviderTimeout,
    WhichweightsError,
)

if TYPE_CHECKING:
    import httpx2

__all__ = ["MAPPED", "status_error", "translated"]

_OFFLINE_HINT: Final = "unset HF_HUB_OFFLINE, or name a model of the catalogue"
_UNREACHABLE_HINT: Final = (
    "check the network and HF_ENDPOINT, or name a model of the catalogue or on this machine"
)
_LATER_HINT: Final = "try again later, or name a model of the catalogue"
_GATED_HINT: Final = (
    "accept the licence on the model's page, and give a token that may read it (HF_TOKEN)"
)

MAPPED: Final[dict[str, type[WhichweightsError]]] = {
    "GatedRepoError": ModelGated,
    "DisabledRepoError": ModelNotFound,
    "RepositoryNotFoundError": ModelNotFound,
    "RevisionNotFoundError": ModelNotFound,
    "RevisionResolutionError": Offline,
    "LocalEntryNotFoundError": Offline,
    "EntryNotFoundError": ModelNotFound,
    "BadRequestError": InvalidArgument,
    "OfflineModeIsEnabled": Offline,
    "HFValidationError": InvalidArgument,
    "HfUriError": InvalidArgument,
    "LocalTokenNotFoundError": ModelGated,
    "InferenceTimeoutError": ProviderTimeout,
    "InferenceEndpointTimeoutError": ProviderTimeout,
    "HfHubHTTPError": ProviderFailed,
    # Not raised by the requests made here; a release that raises one has failed us.
    **dict.fromkeys(
        (
            *("BucketBatchError", "BucketNotFoundError", "JobNotFoundError", "OIDCError"),
            *("CLIError", "CacheNotFound", "CachedRepoTreeNotFoundError", "DeviceCodeError"),
            *("CorruptedCacheException", "DDUFError", "DryRunError", "FileDuplicationError"),
            *("FileMetadataError", "InferenceEndpointError", "NotASafetensorsRepoError"),
            *("SafetensorsParsingError", "SandboxCommandError", "SandboxError"),
            *("StrictDataclassError", "TextGenerationError", "XetDownloadError"),
        ),
        ProviderFailed,
    ),
}
"""By class of huggingface_hub.errors; a class that is not here counts as its nearest ancestor."""


def translated(error: Exception, about: str = "the request") -> WhichweightsError:
    """Our error for one that huggingface_hub, its HTTP client or the operating system raised."""
    from httpx2 import HTTPStatusError
    from huggingface_hub.errors import HfHubHTTPError

    if isinstance(error, WhichweightsError):
        return error
    if isinstance(error, HTTPStatusError | HfHubHTTPError):
        found = status_error(error.response.status_code, about, error.response.headers)
        if found is not None and _mapped(error) in (None, ProviderFailed):
            return found
    if _is_unreachable(error):
        return Offline(
            f"the Hub cannot be reached ({about}: {_one_line(error)})", hint=_UNREACHABLE_HINT
        )
    kind = _mapped(error)
    if kind is None:
        kind = ProviderTimeout if _is_timeout(error) else ProviderFailed
    return _made(kind, error, about)


def status_error(
    status: int, about: str, headers: httpx2.Headers | None = None
) -> WhichweightsError | None:
    """Our error for a bare HTTP status, as mirrors send it; None for success."""
    if status < 400:
        return None
    code = headers.get("X-Error-Code", "") if headers is not None else ""
    if status == 401 and headers is not None and "invalid" in _message(headers):
        return ModelGated(
            f"the Hub refused the token for {about}", field="model", hint="check HF_TOKEN"
        )
    if code == "GatedRepo" or status == 403:
        return _made(ModelGated, None, about)
    if status in (401, 404, 410, 451):
        return _made(ModelNotFound, None, about)
    if status in (408, 504):
        return ProviderTimeout(f"the Hub ran out of time for {about}", hint=_LATER_HINT)
    if status == 400:
        return _made(InvalidArgument, None, about)
    if status == 429:
        return ProviderFailed(f"the Hub limits the rate of requests ({about})", hint=_LATER_HINT)
    return ProviderFailed(f"the Hub answered {status} to {about}", hint=_LATER_HINT)


def _message(headers: httpx2.Headers) -> str:
    return headers.get("X-Error-Message", "").lower()


def _is_timeout(error: Exception) -> bool:
    import httpx2

    return isinstance(error, httpx2.TimeoutException | TimeoutError)


def _is_unreachable(error: Exception) -> bool:
    """No connection came about: nobody there was asked anything."""
    import httpx2

    return isinstance(error, httpx2.ConnectError)


def _mapped(error: Exception) -> type[WhichweightsError] | None:
    return next((MAPPED[c.__name__] for c in type(error).__mro__ if c.__name__ in MAPPED), None)


def _made(kind: type[WhichweightsError], error: Exception | None, about: str) -> WhichweightsError:
    if kind is ModelGated:
        return ModelGated(f"{about} is gated on the Hub", field="model", hint=_GATED_HINT)
    if kind is ModelNotFound:
        return ModelNotFound(
            f"the Hub has no {about} that may be read", field="model", hint="check the spelling"
        )
    if kind is Offline:
        return Offline(f"offline: the Hub was not asked for {about}", hint=_OFFLINE_HINT)
    if kind is InvalidArgument:
        return InvalidArgument(f"{about} is no name the Hub accepts", field="model")
    reason = "" if error is None else f": {_one_line(error)}"
    if kind is ProviderTimeout:
        return ProviderTimeout(f"the Hub did not answer in time ({about})", hint=_LATER_HINT)
    return ProviderFailed(f"the Hub could not be asked for {about}{reason}", hint=_LATER_HINT)


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__} {text[:120]}".strip()

"""Every error of huggingface_hub and of its HTTP client has a meaning of ours."""

import inspect

import httpx2
import pytest
from huggingface_hub import errors

from whichweights_plugins.hub import _errors
from whichweights_schemas.errors import (
    InvalidArgument,
    ModelGated,
    ModelNotFound,
    Offline,
    ProviderFailed,
    ProviderTimeout,
    WhichweightsError,
)

CLASSES = [
    found
    for _, found in inspect.getmembers(errors, inspect.isclass)
    if issubclass(found, Exception) and found.__module__ == errors.__name__
]


@pytest.mark.parametrize("found", CLASSES, ids=lambda found: found.__name__)
def test_no_error_of_the_library_is_unmapped(found: type[Exception]):
    assert any(ancestor.__name__ in _errors.MAPPED for ancestor in found.__mro__)


def test_no_entry_of_the_map_is_of_a_class_that_is_gone():
    assert set(_errors.MAPPED) <= {found.__name__ for found in CLASSES}


def answered(status: int, headers: dict[str, str] | None = None) -> httpx2.Response:
    request = httpx2.Request("GET", "http://127.0.0.1/api/models/a/b")
    return httpx2.Response(status, headers=headers or {}, request=request)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (errors.GatedRepoError("x", response=answered(403)), ModelGated),
        (errors.RepositoryNotFoundError("x", response=answered(401)), ModelNotFound),
        (errors.RevisionNotFoundError("x", response=answered(404)), ModelNotFound),
        (errors.RemoteEntryNotFoundError("x", response=answered(404)), ModelNotFound),
        (errors.DisabledRepoError("x", response=answered(403)), ModelNotFound),
        (errors.BadRequestError("x", response=answered(400)), InvalidArgument),
        (errors.HfHubHTTPError("x", response=answered(401)), ModelNotFound),
        (errors.HfHubHTTPError("x", response=answered(403)), ModelGated),
        (errors.HfHubHTTPError("x", response=answered(404)), ModelNotFound),
        (errors.HfHubHTTPError("x", response=answered(408)), ProviderTimeout),
        (errors.HfHubHTTPError("x", response=answered(429)), ProviderFailed),
        (errors.HfHubHTTPError("x", response=answered(500)), ProviderFailed),
        (errors.HfHubHTTPError("x", response=answered(504)), ProviderTimeout),
        (errors.OfflineModeIsEnabled("x"), Offline),
        (errors.LocalEntryNotFoundError("x"), Offline),
        (errors.HFValidationError("x"), InvalidArgument),
        (httpx2.ConnectError("refused"), Offline),
        (httpx2.ReadTimeout("slow"), ProviderTimeout),
        (httpx2.RemoteProtocolError("cut"), ProviderFailed),
        (TimeoutError(), ProviderTimeout),
        (ConnectionResetError(), ProviderFailed),
    ],
    ids=repr,
)
def test_an_error_is_translated_by_who_must_act(error: Exception, kind: type[WhichweightsError]):
    ours = _errors.translated(error, "inventors/Thing-1B")
    assert type(ours) is kind
    assert "inventors/Thing-1B" in ours.message
    assert len(ours.message.splitlines()) == 1


def test_our_own_error_stays_as_it_is():
    error = ModelGated("x")
    assert _errors.translated(error) is error


def test_a_refused_token_is_said_to_be_refused():
    headers = {"X-Error-Message": "Invalid credentials in Authorization header"}
    error = errors.HfHubHTTPError("x", response=answered(401, headers))
    ours = _errors.translated(error, "a/b")
    assert isinstance(ours, ModelGated)
    assert "token" in ours.message


@pytest.mark.parametrize("status", [200, 304])
def test_success_is_no_error(status: int):
    assert _errors.status_error(status, "a/b") is None

"""What nobody at hand could tell is not unknown while one who may know it stays silent."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from whichweights._registry_slots import STILL_BUSY, STILL_LOADING
from whichweights.registry import ProviderSession
from whichweights_schemas.errors import ProviderFailed, ProviderTimeout
from whichweights_schemas.evidence import ProviderReport
from whichweights_schemas.providers import AnyProvider

_AGAIN = "ask again: what was slow to load is then at hand; limits.provider_seconds allows more"
_MEND = "`whichweights providers` says what is wrong with it; mend it or disable it"


def silent_reports(
    session: ProviderSession, *kinds: type[AnyProvider]
) -> tuple[ProviderReport, ...]:
    """Providers of these kinds that were asked and failed or ran out of time; the late ones first.

    One that is unavailable by a fact of this machine has said so: it is not silent.
    """
    asked = {kind.kind for kind in kinds}
    silent = [report for report in session.reports if report.kind in asked and _is_silent(report)]
    return tuple(sorted(silent, key=lambda report: report.status == "failed"))


def refuse_undecided(
    session: ProviderSession,
    *kinds: type[AnyProvider],
    subject: str,
    field: str,
    suggestions: Sequence[str] = (),
    among: Callable[[ProviderReport], bool] | None = None,
) -> None:
    """Returns where every provider asked has answered; `among` = those that count.

    Raises ProviderTimeout or ProviderFailed, which says that `subject` could not be decided.
    """
    silent = [r for r in silent_reports(session, *kinds) if among is None or among(r)]
    if not silent:
        return
    why = "; ".join(f"{report.name}: {report.detail or report.status}" for report in silent)
    failed = silent[0].status == "failed"
    kind = ProviderFailed if failed else ProviderTimeout
    raise kind(
        f"{subject}: a provider that may know could not say ({why})",
        field=field,
        hint=_MEND if failed else _AGAIN,
        suggestions=suggestions,
    )


def _is_silent(report: ProviderReport) -> bool:
    late = report.status == "unavailable" and report.detail in (STILL_BUSY, STILL_LOADING)
    return late or report.status in ("timeout", "failed")

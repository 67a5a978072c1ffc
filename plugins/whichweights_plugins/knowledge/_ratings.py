"""Ratings by people's votes in a language, from the embedded table."""

from __future__ import annotations

from whichweights_plugins.knowledge._lineage import KnownModels
from whichweights_plugins.knowledge._tables import Row
from whichweights_plugins.knowledge._tags import borrowed, candidates
from whichweights_schemas.evidence import Evidence
from whichweights_schemas.languages import LanguageRating
from whichweights_schemas.models import ModelSpec

_VOTES = "votes on answers: what people prefer, not a share of right answers"


class RatedModels:
    """The models of the table; rows of the model itself win over those of its kin."""

    def __init__(self, rows: list[Row]) -> None:
        self._rows = {row["model"]: row for row in rows}
        self._known = KnownModels(self._rows)

    def ratings(self, spec: ModelSpec, tag: str) -> tuple[LanguageRating, ...]:
        """Ratings in the language, one a mode."""
        for kin in self._known.kin(spec):
            row = self._rows[kin.id]
            for name in candidates(tag):
                found = [one for one in row["ratings"] if one[0].lower() == name]
                if found:
                    note = "; ".join(filter(None, (kin.note, borrowed(tag, found[0][0]), _VOTES)))
                    evidence = Evidence(
                        fields=("ratings",),
                        basis="published",
                        source=row["source"],
                        date=row["date"],
                        note=note,
                    )
                    models, p95 = row["fields"][found[0][0]]
                    return tuple(
                        LanguageRating(
                            language=language,
                            benchmark=row["benchmark"],
                            rating=rating,
                            ci_low=low,
                            ci_high=high,
                            place=place,
                            models=models,
                            p95_rating=p95,
                            measured_on=kin.measured_on,
                            measured_model=kin.id,
                            mode=mode,
                            evidence=evidence,
                        )
                        for language, mode, rating, low, high, place in found
                    )
        return ()

"""Means over families of languages, from the embedded table."""

from __future__ import annotations

from whichweights_plugins.knowledge._lineage import KnownModels
from whichweights_plugins.knowledge._tables import Row
from whichweights_plugins.knowledge._tags import candidates
from whichweights_schemas.evidence import Evidence
from whichweights_schemas.languages import FamilyMean
from whichweights_schemas.models import ModelSpec


class FamilyMeans:
    """Means of the model itself, else of its kin, over the family the language belongs to."""

    def __init__(self, rows: list[Row]) -> None:
        self._rows: dict[str, list[Row]] = {}
        for row in rows:
            self._rows.setdefault(row["model"], []).append(row)
        self._known = KnownModels(self._rows)

    def means(self, spec: ModelSpec, tag: str) -> tuple[FamilyMean, ...]:
        """One mean a mode; none for a language outside the families that were tested."""
        names = set(candidates(tag))
        for kin in self._known.kin(spec):
            for row in self._rows[kin.id]:
                tested = {known.lower() for known in row["languages"]}
                if names & (tested | {known.partition("-")[0] for known in tested}):
                    evidence = Evidence(
                        fields=("family_means",),
                        basis="published",
                        source=row["source"],
                        date=row["date"],
                        note=kin.note,
                    )
                    return tuple(
                        FamilyMean(
                            family=row["family"],
                            languages=tuple(row["languages"]),
                            benchmark=row["benchmark"],
                            score=score,
                            chance=row["chance"],
                            mode=mode,
                            measured_on=kin.measured_on,
                            measured_model=kin.id,
                            evidence=evidence,
                        )
                        for mode, score in row["scores"]
                    )
        return ()

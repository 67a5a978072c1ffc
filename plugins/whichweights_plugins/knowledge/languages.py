"""Evidence about languages from the embedded tables: claims, scores, priors, cost, decay."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from whichweights_plugins.knowledge._families import FamilyMeans
from whichweights_plugins.knowledge._lineage import Kin, KnownModels
from whichweights_plugins.knowledge._official import official_claim
from whichweights_plugins.knowledge._ratings import RatedModels
from whichweights_plugins.knowledge._sizes import size_class
from whichweights_plugins.knowledge._tables import Row, load_rows
from whichweights_plugins.knowledge._tags import borrowed, candidates, subtags
from whichweights_schemas.evidence import Basis, Evidence
from whichweights_schemas.languages import (
    Fertility,
    LanguageEvidence,
    LanguageScore,
    RetentionPoint,
    SizePrior,
)
from whichweights_schemas.models import ModelSpec
from whichweights_schemas.providers import LanguageProvider, NoSettings
from whichweights_schemas.requests import LanguageQuestion, LeadersQuestion

FAMILIES = {
    "llama3-bpe-128k": "llama3",
    "llama4-bpe-202k": "llama4",
    "qwen-bpe-151k": "qwen3",
    "gemma-sentencepiece-256k": "gemma3",
    "deepseek-v3-bpe-128k": "deepseek_v3",
    "mistral-sentencepiece-32k": "mistral_v1_v3_sp32k",
    "mistral-tekken-131k": "mistral_tekken",
    "cohere-bpe-256k": "command_r_plus",
    "o200k_harmony": "o200k_base",
}
"""`tokenizer_family` of a model → the measured tokenizer. Families that are not here have no
measurement; harmony differs from o200k_base in control tokens only."""

_TEN_ITEMS = "datenlabor-bmz/ai-language-monitor"
_TUNED = ("instruct", "reasoning")
_SERVED = ("ollama_chat/", "gemini/")
"""Names the leaderboard gives to what it reached through a server: no repository of weights."""
_ENOUGH_TASKS = 3
_ANY_SIZE = float("inf")
_OPTIMISTIC = "best row per dataset, relative to the models that were run: optimistic"
_UPPER_BOUND = "retrieval: an upper bound on useful long-context skill"


@dataclass(frozen=True)
class _Index:
    scores: dict[str, Row]
    scored: KnownModels
    by_language: dict[str, list[tuple[Row, list[Any]]]]
    priors: dict[tuple[str, str], Row]
    lists: list[Row]
    ratios: dict[str, dict[str, list[Any]]]
    tokenizers: dict[str, Row]
    scripts: dict[str, frozenset[str]]
    retention: dict[str, list[Row]]
    retained: KnownModels
    rated: RatedModels
    families: FamilyMeans


class KnowledgeLanguages(LanguageProvider[NoSettings]):
    """Published evidence about a model in a language, each row with its source and date.

    Rows of the model itself win over those of its base model, those over its family's; a row of a
    near tag (zh for zh-Hant) says so in its evidence.
    """

    _index: _Index | None = None

    async def evidence(self, request: LanguageQuestion) -> LanguageEvidence:
        index = await self._loaded()
        spec, tag = request.model, request.language
        originals = [kin.id for kin in index.scored.kin(spec) if kin.measured_on == "base_model"]
        return LanguageEvidence(
            official=official_claim(spec, tag, index.lists, _scripts(index, tag), originals),
            scores=_scores(index, spec, tag),
            prior=_prior(index, spec, tag),
            fertility=_fertility(index, spec, tag),
            retention=_retention(index, spec, tag),
            ratings=index.rated.ratings(spec, tag),
            family_means=index.families.means(spec, tag),
        )

    async def leaders(self, request: LeadersQuestion) -> Sequence[LanguageScore]:
        """Instruction-tuned models of known size, by relative score; each in its best mode.

        Left out: scores of fewer than three tasks, or of about ten items a cell.
        """
        index = await self._loaded()
        best: dict[str, LanguageScore] = {}
        for row, score in _ranked(index, request.language, request.max_parameters):
            if row["model"] not in best and len(best) < request.limit:
                kin = Kin(row["model"], "this_model")
                best[row["model"]] = _score(row, score, kin, request.language)
        return list(best.values())

    async def fertility_families(self) -> Sequence[str]:
        index = await self._loaded()
        return [*FAMILIES, *index.tokenizers]

    async def languages(self) -> Sequence[str]:
        """Tags with a score or a tokenizer's cost, those with most scores first."""
        index = await self._loaded()
        scored = sorted(index.by_language.values(), key=lambda rows: (-len(rows), rows[0][1][0]))
        costed = (ratio[0] for ratios in index.ratios.values() for ratio in ratios.values())
        return list(dict.fromkeys((*(rows[0][1][0] for rows in scored), *costed)))

    async def status(self) -> dict[str, str]:
        index = await self._loaded()
        dates = [date for row in index.scores.values() for _, date, _ in row["sources"]]
        return {
            "models with scores": str(len(index.scores)),
            "tokenizers": str(len(index.tokenizers)),
            "scores date": max(dates),
        }

    async def warm(self) -> None:
        await self._loaded()

    async def _loaded(self) -> _Index:
        if self._index is None:
            self._index = await self.run_blocking(_load)
        return self._index


def _load() -> _Index:
    scores = {row["model"]: row for row in load_rows("language_scores")}
    ratios: dict[str, dict[str, list[Any]]] = {}
    scripts: dict[str, set[str]] = {}
    for row in load_rows("fertility"):
        ratios[row["tokenizer"]] = {ratio[0].lower(): ratio for ratio in row["ratios"]}
        for tag, script, *_ in row["ratios"]:
            scripts.setdefault(subtags(tag)[0], set()).add(script.lower())
    by_language: dict[str, list[tuple[Row, list[Any]]]] = {}
    for row in scores.values():
        for score in row["scores"]:
            by_language.setdefault(score[0].lower(), []).append((row, score))
    retention: dict[str, list[Row]] = {}
    for row in load_rows("retention"):
        retention.setdefault(row["model"], []).append(row)
    return _Index(
        scores=scores,
        scored=KnownModels(scores),
        by_language=by_language,
        priors={(row["size_class"], row["language"]): row for row in load_rows("language_priors")},
        lists=load_rows("official_languages"),
        ratios=ratios,
        tokenizers={row["tokenizer"]: row for row in load_rows("fertility")},
        scripts={language: frozenset(found) for language, found in scripts.items()},
        retention=retention,
        retained=KnownModels(retention),
        rated=RatedModels(load_rows("language_ratings")),
        families=FamilyMeans(load_rows("language_families")),
    )


def _scripts(index: _Index, tag: str) -> frozenset[str]:
    return index.scripts.get(subtags(tag)[0], frozenset())


def _joined(*notes: str | None) -> str | None:
    return "; ".join(note for note in notes if note) or None


def _scores(index: _Index, spec: ModelSpec, tag: str) -> tuple[LanguageScore, ...]:
    for kin in index.scored.kin(spec):
        row = index.scores[kin.id]
        for name in candidates(tag):
            found = [score for score in row["scores"] if score[0].lower() == name]
            if found:
                return tuple(_score(row, score, kin, tag) for score in found)
    return ()


def _ranked(index: _Index, tag: str, max_parameters: int | None) -> list[tuple[Row, list[Any]]]:
    """Scores of instruction-tuned models in the language, best first; ties by model name."""
    names = (name for name in candidates(tag) if name in index.by_language)
    scores = index.by_language.get(next(names, ""), [])
    eligible = [
        (row, score)
        for row, score in scores
        if row.get("type") in _TUNED
        and not row["model"].startswith(_SERVED)
        and row.get("parameters", 0) <= (max_parameters or _ANY_SIZE)
        and ("parameters" in row or max_parameters is None)
        and score[6] is not None
        and score[3] >= _ENOUGH_TASKS
        and not _is_small(row, score)
    ]
    return sorted(eligible, key=lambda pair: (-pair[1][6], pair[0]["model"]))


def _is_small(row: Row, score: list[Any]) -> bool:
    return all(row["sources"][place][0].startswith(_TEN_ITEMS) for place in score[4])


def _score(row: Row, score: list[Any], kin: Kin, tag: str) -> LanguageScore:
    language, mode, datasets, tasks, places, normalized, relative, spread = score
    sources: list[list[Any]] = [row["sources"][place] for place in places]
    few = [source for source, *_ in sources if source.startswith(_TEN_ITEMS)]
    undated = [note for *_, note in sources if note]
    return LanguageScore(
        language=language,
        relative_to_p95=relative,
        relative_spread=spread,
        normalized=normalized,
        datasets=datasets,
        tasks=tasks,
        sources=tuple(source for source, *_ in sources),
        small_samples=_is_small(row, score),
        measured_on=kin.measured_on,
        measured_model=kin.id,
        parameters=row.get("parameters"),
        mode=mode,
        evidence=Evidence(
            fields=("scores",),
            basis="published",
            source=" and ".join(f"{source} ({date})" for source, date, _ in sources),
            date=max(date for _, date, _ in sources),
            note=_joined(
                kin.note,
                borrowed(tag, language),
                "part of it rests on about ten items" if few else None,
                *undated[:1],
                _OPTIMISTIC,
            ),
        ),
    )


def _prior(index: _Index, spec: ModelSpec, tag: str) -> SizePrior | None:
    size = size_class(spec)
    if size is None:
        return None
    rows = (index.priors.get((size, name)) for name in candidates(tag))
    row = next((row for row in rows if row), None)
    if row is None:
        return None
    fields = {field: row[field] for field in SizePrior.model_fields if field in row}
    evidence = Evidence(
        fields=("prior",),
        basis="prior",
        source=row["source"],
        date=row["date"],
        note=borrowed(tag, row["language"]),
    )
    return SizePrior(**fields, evidence=evidence)


def _fertility(index: _Index, spec: ModelSpec, tag: str) -> tuple[Fertility, ...]:
    family = spec.tokenizer_family or ""
    tokenizer = FAMILIES.get(family, family)
    ratios = index.ratios.get(tokenizer)
    if ratios is None:
        return ()
    script = subtags(tag)[1]
    for name in candidates(tag):
        found = ratios.get(name)
        if found and script in ("", found[1].lower()):
            return (_ratio(index.tokenizers[tokenizer], found, spec, tag),)
    return ()


def _ratio(row: Row, ratio: list[Any], spec: ModelSpec, tag: str) -> Fertility:
    language, _, to_english, per_character, corpus = ratio
    alike = row["tokenizer"] == "gemma3" and not _is_gemma3(spec)
    basis: Basis = "assumed" if alike else "published"
    note = "measured with Gemma 3's tokenizer; other Gemmas by similarity" if alike else None
    return Fertility(
        language=language,
        tokenizer=row["tokenizer"],
        ratio_to_english=to_english,
        tokens_per_character=per_character,
        tokens_per_english_word=row.get("tokens_per_english_word"),
        corpus=corpus,
        evidence=Evidence(
            fields=("fertility",),
            basis=basis,
            source=row["source"],
            date=row["date"],
            note=_joined(note, borrowed(tag, language)),
        ),
    )


def _is_gemma3(spec: ModelSpec) -> bool:
    names = (spec.id, spec.base_model or "", spec.tokenizer_family or "")
    return any("gemma-3" in name.lower() or name == "gemma3" for name in names)


def _retention(index: _Index, spec: ModelSpec, tag: str) -> tuple[RetentionPoint, ...]:
    """Points of this language only; ask for English to have an upper bound."""
    names = frozenset(candidates(tag))
    for kin in index.retained.kin(spec):
        points = [point for row in index.retention[kin.id] for point in _points(row, kin, names)]
        if points:
            return tuple(points)
    return ()


def _points(row: Row, kin: Kin, names: frozenset[str]) -> Iterator[RetentionPoint]:
    evidence = Evidence(
        fields=("retention",),
        basis="published",
        source=row["source"],
        date=row["date"],
        note=_joined(kin.note, row["note"], _UPPER_BOUND),
    )
    for language, context_tokens, score in row["points"]:
        if language.lower() in names:
            yield RetentionPoint(
                language=language,
                context_tokens=context_tokens,
                score=score,
                benchmark=row["benchmark"],
                measured_on=kin.measured_on,
                measured_model=row["label"],
                evidence=evidence,
            )

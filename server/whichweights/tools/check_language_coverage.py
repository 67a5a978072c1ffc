"""check_language_coverage: official claim, measured rows, cost and retention, kept apart."""

from __future__ import annotations

from whichweights.answering import EvidenceLog
from whichweights.planning.language_coverage import Coverage
from whichweights.planning.retention import PRIOR_DATE, PRIOR_SOURCE, RetentionFigure
from whichweights.registry import ProviderSession
from whichweights.resolve.language_evidence import LanguageFinding, find_better, find_language
from whichweights.resolve.languages import resolve_language
from whichweights.resolve.models import resolve_model
from whichweights.tools._language_rows import language_rows
from whichweights.tools._spec import ToolSpec
from whichweights_schemas.models import ModelSpec
from whichweights_schemas.tools.check_language_coverage import (
    BetterModel,
    CheckLanguageCoverageArguments,
    CheckLanguageCoverageResult,
    LanguageAnswer,
    LanguageRow,
    QualityParts,
    Retention,
)

_BETTER_SHOWN = 3


async def run(
    arguments: CheckLanguageCoverageArguments, session: ProviderSession
) -> CheckLanguageCoverageResult:
    """Judge every language. Raises UnknownLanguage, ModelNotFound, AmbiguousModel."""
    languages = [resolve_language(text) for text in arguments.languages]
    resolved = await resolve_model(session, arguments.model)
    spec = resolved.spec
    record = EvidenceLog()
    record.warn(*resolved.notes)
    findings = [
        await find_language(session, spec, language, arguments.context_tokens)
        for language in languages
    ]
    if arguments.context_tokens and spec.max_context_tokens:
        _warn_beyond(arguments.context_tokens, spec, record)
    answers = tuple(_answer(finding, record) for finding in findings)
    better = await _better(session, spec, findings)
    return CheckLanguageCoverageResult(
        model=spec.id,
        languages=answers,
        better_models=better,
        warnings=record.warnings,
        evidence=record.evidence,
        unknown=record.unknowns,
    )


def _warn_beyond(context_tokens: int, spec: ModelSpec, record: EvidenceLog) -> None:
    window = spec.max_context_tokens or 0
    if context_tokens > window:
        record.warn(f"{context_tokens:,} tokens exceed the model's window of {window:,}")


def _answer(finding: LanguageFinding, record: EvidenceLog) -> LanguageAnswer:
    coverage, evidence, tag = finding.coverage, finding.evidence, finding.language.tag
    _record(finding, record)
    official = evidence.official
    return LanguageAnswer(
        input=finding.language.input,
        tag=tag,
        name=finding.language.name,
        official=official.status if official else "unknown",
        coverage=coverage.coverage,
        grade=coverage.grade,
        quality=_quality(coverage),
        rows=language_rows(evidence, with_length=coverage.retention is not None),
        tokens_per_english_token=coverage.tokens_per_english_token,
        effective_context_tokens=coverage.effective_context_tokens,
        retention=_retention(coverage.retention),
        verdict=coverage.verdict,
        note=coverage.note,
    )


def _record(finding: LanguageFinding, record: EvidenceLog) -> None:
    tag, coverage, evidence = finding.language.tag, finding.coverage, finding.evidence
    official = evidence.official
    sources = (
        official.evidence if official else None,
        coverage.score.evidence if coverage.score else None,
        coverage.prior.evidence if coverage.prior else None,
        coverage.rating.evidence if coverage.rating else None,
        evidence.fertility[0].evidence if evidence.fertility else None,
    )
    record.extend([entry for entry in sources if entry], prefix=f"{tag}.")
    if coverage.retention and coverage.retention.basis == "prior":
        record.add(f"{tag}.retention", "prior", PRIOR_SOURCE, date=PRIOR_DATE)
    if coverage.coverage is None:
        record.unknown(
            f"{tag}.coverage",
            "no table has a test of it or of models of its size in this language"
            + ("; people's votes are another scale (see rows)" if coverage.rating else "")
            + ("; a mean over a family is none of one language" if evidence.family_means else ""),
        )
    if coverage.retention and coverage.retention.value is None:
        record.unknown(f"{tag}.retention.value", coverage.retention.note or "not measured")
    if coverage.tokens_per_english_token is None:
        record.unknown(f"{tag}.tokens_per_english_token", "its tokenizer was not measured")
    if official is None or official.status == "unknown":
        record.unknown(f"{tag}.official", "no language list of the maker is known")


def _quality(coverage: Coverage) -> QualityParts:
    score, prior = coverage.score, coverage.prior
    return QualityParts(
        relative_to_p95=score.relative_to_p95 if score else None,
        normalized=score.normalized if score else None,
        prior_low=prior.p10 if prior else None,
        prior_median=prior.median if prior else None,
        prior_high=prior.p90 if prior else None,
        tasks=score.tasks if score else 0,
        sources=len(score.sources) if score else 0,
    )


def _retention(figure: RetentionFigure | None) -> Retention | None:
    if figure is None:
        return None
    return Retention(
        at_tokens=figure.at_tokens,
        value=figure.value,
        low=figure.low,
        high=figure.high,
        basis=figure.basis,
        note=figure.note,
    )


async def _better(
    session: ProviderSession, spec: ModelSpec, findings: list[LanguageFinding]
) -> tuple[BetterModel, ...]:
    """Models of at most this size with better measured evidence in the weakest language."""
    weakest = min(findings, key=lambda f: f.coverage.coverage.value if f.coverage.coverage else -1)
    found = await find_better(session, spec, weakest, limit=_BETTER_SHOWN)
    return tuple(
        BetterModel(
            model=score.measured_model,
            language=weakest.language.tag,
            coverage=coverage.coverage.value,
            grade=coverage.grade,
            parameters=score.parameters,
        )
        for score, coverage in found
        if coverage.coverage is not None
    )


def text(result: CheckLanguageCoverageResult) -> str:
    """One line a language, then the way out."""
    lines = [f"{result.model}:"]
    lines.extend(_line(language) for language in result.languages)
    if result.better_models:
        names = ", ".join(f"{m.model} ({m.coverage:g})" for m in result.better_models)
        language = next(
            one for one in result.languages if one.tag == result.better_models[0].language
        )
        better = "Measured better" if language.coverage else "Measured and usable"
        lines.append(f"{better} in {language.name}, no larger: {names}")
    return "\n".join((*lines, *result.warnings))


def _line(language: LanguageAnswer) -> str:
    line = f"{language.name} ({language.tag}): {language.verdict}, grade {language.grade}"
    if language.coverage:
        band = language.coverage
        line += f", coverage {band.value:g} ({band.low:g}-{band.high:g})"
    line += f", officially {language.official.replace('_', ' ')}"
    if language.tokens_per_english_token:
        line += f", {language.tokens_per_english_token:.2f} tokens per English token"
    votes = [row for row in language.rows if row.kind == "rating"]
    means = [row for row in language.rows if row.kind == "family"]
    if means and language.coverage is None:
        line += _related(means[-1])
    if votes and language.coverage is None:
        line += _rated(max(votes, key=lambda row: row.value))
    if language.retention:
        line += _length(language.retention)
    return line


def _related(row: LanguageRow) -> str:
    whose = "" if row.measured_on == "this_model" else f" of {row.measured_model}"
    return f"; family mean{whose}, not of it alone: {row.value:g} ({row.what}, {row.date})"


def _rated(row: LanguageRow) -> str:
    whose = "" if row.measured_on == "this_model" else f" of {row.measured_model}"
    return f"; people's votes{whose}: Elo {row.value:.0f} ({row.what}, {row.date})"


def _length(kept: Retention) -> str:
    """What is left of the coverage at the length that was asked for."""
    if kept.low is None or kept.high is None:
        return f"; at {kept.at_tokens:,} tokens: not known"
    share = f"{kept.low:g}-{kept.high:g} %"
    how = "as other models keep" if kept.basis == "prior" else "measured"
    return f"; {share} kept at {kept.at_tokens:,} tokens ({how})"


SPEC = ToolSpec(
    name="check_language_coverage",
    title="Check language coverage",
    description=(
        "How good a model is in given languages over a context length: the maker's claim, measured "
        "scores, tokenizer cost, long-context retention, with a grade A-U for the evidence. "
        "0-100, 100 = the 95th-percentile model; no evidence gives no number."
    ),
    arguments=CheckLanguageCoverageArguments,
    result=CheckLanguageCoverageResult,
    run=run,
    text=text,
    open_world=True,  # a name nobody here knows is looked up on the Hub
)

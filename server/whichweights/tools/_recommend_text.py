"""The answer of recommend_model in a few sentences: the pick, why, what binds it, the next step."""

from __future__ import annotations

from collections.abc import Iterator

from whichweights.planning.licenses import read_license
from whichweights_schemas.tools.recommend_model import (
    ApiAlternative,
    NamedScore,
    Recommendation,
    RecommendModelResult,
)

_WARNINGS_SHOWN = 2


def recommend_text(result: RecommendModelResult) -> str:
    """At most about 120 words."""
    if result.recommendations:
        sentences = [*_pick(result.recommendations[0]), *_others(result)]
    else:
        sentences = list(result.if_nothing_fits) or []
    if result.api_alternatives:
        sentences.append(f"Hosted: {'; '.join(map(_hosted, result.api_alternatives))}.")
    shown = result.warnings[:_WARNINGS_SHOWN]
    sentences.extend(f"{warning[0].upper()}{warning[1:]}." for warning in shown)
    sentences.extend(_next(result))
    return " ".join(sentences) or "Nothing meets this request."


def _pick(best: Recommendation) -> Iterator[str]:
    verdict = "fits" if best.verdict == "fits" else "is tight"
    speed = best.decode_tokens_per_second
    yield (
        f"{best.model} as {best.quantization} with {best.engine}: {best.vram_gib:.1f} GiB at "
        f"{best.context_tokens:,} tokens, {verdict}"
        + (f", about {speed:.0f} tokens/s." if speed else ".")
    )
    known = [score for score in (best.quality, best.agentic) if score is not None]
    if known:
        yield f"Why: {'; '.join(map(_score, known))}."
    if best.caveats:
        yield f"But: {'; '.join(best.caveats)}."


def _score(score: NamedScore) -> str:
    version = f" {score.version}" if score.version else ""
    date = f", {score.date}" if score.date else ""
    text = f"{score.benchmark}{version} {score.score:g} ({score.basis}{date})"
    return text if score.measured_on == "this model" else f"{text} of {score.measured_on}"


def _others(result: RecommendModelResult) -> Iterator[str]:
    others = [
        f"{row.model} {row.quantization} ({row.vram_gib:.1f} GiB{_license(row.license)})"
        for row in result.recommendations[1:3]
    ]
    if others:
        yield f"Then: {', '.join(others)}."


def _license(tag: str | None) -> str:
    """Of a licence that is not known as open; the first pick has it among its caveats."""
    reading = read_license(tag)
    if reading.open_source or (reading.open_source is None and reading.allows_commercial_use):
        return ""
    forbids = ", no commercial use" if reading.commercial_use == "no" else ""
    return f", licence {tag or 'unknown'}{forbids}"


def _hosted(model: ApiAlternative) -> str:
    cost = (
        f"${model.usd_per_day:,.2f} a day"
        if model.usd_per_day is not None
        else f"${model.input_usd_per_mtok or 0:g}/${model.output_usd_per_mtok or 0:g} per M tokens"
    )
    return f"{model.model} {cost} ({model.price_date})"


def _next(result: RecommendModelResult) -> Iterator[str]:
    if result.recommendations:
        yield "Next: estimate_vram for the band and longest context."

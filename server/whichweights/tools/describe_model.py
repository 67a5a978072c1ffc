"""describe_model: everything known of one model, each section on request."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

from whichweights.answering import EvidenceLog, gib_or_none
from whichweights.planning.description import cache_summary, parameter_summary
from whichweights.planning.licenses import read_license
from whichweights.registry import ProviderSession
from whichweights.resolve.models import ResolvedModel, resolve_model
from whichweights.resolve.tokenizers import hosted_model
from whichweights.tools._spec import ToolSpec
from whichweights.tools._words import in_words
from whichweights_schemas.api_models import ApiModel
from whichweights_schemas.attention import (
    Attention,
    ChunkedAttention,
    CompressedAttention,
    CrossAttention,
    FullAttention,
    ParallelMixers,
    SlidingAttention,
)
from whichweights_schemas.errors import ModelNotFound, OperatorError, UnsupportedArchitecture
from whichweights_schemas.models import ExpertsFeedForward, ModelRef, ModelSpec
from whichweights_schemas.providers import ModelProvider
from whichweights_schemas.requests import ModelQuestion
from whichweights_schemas.tools.describe_model import (
    ArchitectureAnswer,
    CacheAnswer,
    ContextAnswer,
    DescribeModelArguments,
    DescribeModelResult,
    LicenseAnswer,
    ParametersAnswer,
    Section,
    SkillsAnswer,
)

_ALL: tuple[Section, ...] = (
    "architecture",
    "parameters",
    "cache",
    "context",
    "license",
    "skills",
    "files",
    "relatives",
)
_RELATIVES_SHOWN = 8
_COMMERCIAL_USE = {
    "yes": "yes",
    "conditions": "under conditions",
    "no": "no",
    "unknown": "not known",
}


async def run(arguments: DescribeModelArguments, session: ProviderSession) -> DescribeModelResult:
    """Describe an open-weight or a hosted model. Raises ModelNotFound, AmbiguousModel."""
    record = EvidenceLog()
    try:
        resolved = await resolve_model(session, arguments.model)
    except (ModelNotFound, UnsupportedArchitecture):
        hosted = await hosted_model(session, arguments.model)
        if hosted is None:
            raise
        return _hosted(hosted, arguments.fields or _ALL, record)
    return await _open_weight(
        resolved, arguments.fields or _ALL, session, record, named=bool(arguments.fields)
    )


async def _open_weight(
    resolved: ResolvedModel,
    sections: tuple[Section, ...],
    session: ProviderSession,
    record: EvidenceLog,
    *,
    named: bool,
) -> DescribeModelResult:
    spec = resolved.spec
    record.warn(*resolved.notes)
    record.extend(spec.evidence)
    for entry in spec.unknown:
        record.unknown(entry.field, entry.reason)
    if spec.unverified:
        record.warn(f"not verified: {in_words(spec.unverified)}")
    if spec.revision is None and resolved.provider != "generic":
        record.unknown("revision", "its facts were not read at one revision")
    ref = ModelRef(id=spec.id, provider=resolved.provider, match="id")
    question = ModelQuestion(ref=ref, limit=_RELATIVES_SHOWN)
    parts = {name: build(spec, record) for name, build in _SECTIONS.items() if name in sections}
    for name in ("files", "relatives"):
        if name in sections:
            parts[name] = await _asked(session, resolved, question, name, record, named=named)
    return DescribeModelResult.model_validate(
        {
            "id": spec.id,
            "display_name": spec.display_name,
            "kind": "open_weight",
            "source": resolved.provider,
            "revision": spec.revision,
            "release_date": spec.release_date,
            "warnings": record.warnings,
            "evidence": record.evidence,
            "unknown": record.unknowns,
            **parts,
        }
    )


async def _asked(
    session: ProviderSession,
    resolved: ResolvedModel,
    question: ModelQuestion,
    what: Literal["files", "relatives"],
    record: EvidenceLog,
    *,
    named: bool,
) -> object:
    """Rows of the provider that knew the model; of every provider where the caller names them.

    So a name of the catalogue alone sends nobody to the Hub.
    """

    async def rows_of(provider: ModelProvider[Any]) -> Sequence[object]:
        if what == "files":
            return await provider.files(question)
        return await provider.relatives(question)

    rows = None
    if resolved.provider != "generic":
        rows = await session.one(ModelProvider, resolved.provider, rows_of)
        if named and not rows:
            try:
                rows = await session.first(
                    ModelProvider, rows_of, where=lambda p: p.may_know(resolved.spec.id)
                )
            except OperatorError as refusal:  # what is known of the model still answers
                record.unknown(what, refusal.message)
                return None
    if not rows:
        asked = "nobody" if named else f"provider {resolved.provider}"
        hint = "" if named else f'; fields=["{what}"] asks the Hub too'
        record.unknown(what, f"{asked} has none for this model{hint}")
        return None
    return tuple(rows)


def _architecture(spec: ModelSpec, record: EvidenceLog) -> ArchitectureAnswer:
    if not spec.layout:
        record.unknown("architecture.layers", "the layer list of this model is not known here")
    kinds = Counter(spec.layer(index).attention.kind for index in range(len(spec.layout)))
    mixers = [mixer for block in spec.blocks for mixer in _softmax(block.attention)]
    mlps = [block.feed_forward for block in spec.blocks]
    experts = [mlp for mlp in mlps if isinstance(mlp, ExpertsFeedForward)]
    windows = [window for block in spec.blocks for window in _windows(block.attention)]
    return ArchitectureAnswer(
        name=spec.architecture,
        confidence=spec.confidence,
        layers=spec.layers,
        hidden_size=spec.hidden_size,
        vocab_size=spec.vocab_size,
        attention=dict(kinds),
        kv_heads=tuple(dict.fromkeys(mixer.kv_heads for mixer in mixers)),
        head_dims=tuple(dict.fromkeys(mixer.head_dim for mixer in mixers)),
        window_tokens=min(windows) if windows else None,
        experts=experts[0].experts if experts else 0 if spec.layout else None,
        experts_per_token=experts[0].experts_per_token if experts else 0 if spec.layout else None,
        tied_embeddings=spec.tied_embeddings,
        mtp_layers=spec.mtp_layers,
        vision=spec.vision is not None or "image" in spec.input_modalities,
    )


_SoftmaxMixer = FullAttention | SlidingAttention | ChunkedAttention | CrossAttention


def _softmax(attention: Attention) -> Iterator[_SoftmaxMixer]:
    if isinstance(attention, _SoftmaxMixer):
        yield attention
    elif isinstance(attention, ParallelMixers):
        yield attention.attention


def _windows(attention: Attention) -> Iterator[int]:
    if isinstance(attention, SlidingAttention | CompressedAttention):
        yield attention.window
    elif isinstance(attention, ChunkedAttention):
        yield attention.chunk


def _parameters(spec: ModelSpec, record: EvidenceLog) -> ParametersAnswer:
    summary = parameter_summary(spec)
    counts = spec.parameters
    if counts.total is None:
        record.unknown("parameters.total", "no source that was read states it")
    if counts.active is None and summary.active is None:
        record.unknown("parameters.active", "neither stated nor computable from the known shape")
    native = spec.native.format if spec.native else None
    if summary.native_bytes is None:
        record.unknown("parameters.native_gib", "the native weight format is not known")
    active = counts.active if counts.active is not None else summary.active
    return ParametersAnswer(
        total=counts.total,
        active=active,
        by_kind=summary.by_kind,
        flops_per_token=2 * active if active else None,
        native_gib=gib_or_none(summary.native_bytes),
        native_format=native,
    )


def _cache(spec: ModelSpec, record: EvidenceLog) -> CacheAnswer:
    summary = cache_summary(spec)
    if summary.bytes_per_token is None:
        record.unknown("cache.bytes_per_token", summary.note or "the layer list is not known")
    return CacheAnswer(
        bytes_per_token=summary.bytes_per_token,
        gib_at_8192_tokens=gib_or_none(summary.bytes_at_8192),
        gib_at_window=gib_or_none(summary.bytes_at_window),
        state_bytes_per_sequence=summary.state_bytes,
        note=summary.note,
    )


def _context(spec: ModelSpec, record: EvidenceLog) -> ContextAnswer:
    if spec.max_context_tokens is None:
        record.unknown("context.max_tokens", "no source that was read states the window")
    return ContextAnswer(
        max_tokens=spec.max_context_tokens,
        extended_tokens=spec.extended_context_tokens,
        note=spec.context_note,
    )


def _license(spec: ModelSpec, record: EvidenceLog) -> LicenseAnswer:
    reading = read_license(spec.license)
    if reading.commercial_use == "unknown":
        record.unknown("license.commercial_use", reading.note)
    return LicenseAnswer(
        tag=reading.spdx or spec.license,
        gated=spec.gated,
        commercial_use=reading.commercial_use,
        open_source=reading.open_source,
        note=f"{reading.note}; our reading, no legal advice",
    )


def _skills(spec: ModelSpec, record: EvidenceLog) -> SkillsAnswer:
    for name in ("tool_use", "reasoning"):
        if getattr(spec, name) is None:
            record.unknown(f"skills.{name}", "no source that was read says so either way")
    return SkillsAnswer(
        tool_use=spec.tool_use,
        reasoning=spec.reasoning,
        input_modalities=spec.input_modalities,
        languages=spec.languages,
    )


_SECTIONS: dict[Section, Callable[[ModelSpec, EvidenceLog], object]] = {
    "architecture": _architecture,
    "parameters": _parameters,
    "cache": _cache,
    "context": _context,
    "license": _license,
    "skills": _skills,
}


def _hosted(
    model: ApiModel, sections: tuple[Section, ...], record: EvidenceLog
) -> DescribeModelResult:
    record.extend(model.evidence, prefix="api.")
    if model.prices:
        record.add("api.prices", "published", model.prices.source, date=model.prices.date)
    if model.unverified:
        record.warn(f"not verified: {in_words(model.unverified)}")
    for section in ("architecture", "parameters", "cache"):
        if section in sections:
            record.unknown(section, "undisclosed: a hosted model without published architecture")
    for section in ("license", "files", "relatives"):
        if section in sections:
            record.unknown(section, "a hosted model: its vendor publishes no weights")
    return DescribeModelResult(
        id=f"{model.vendor}/{model.id}",
        display_name=model.display_name or model.id,
        kind="api",
        source="knowledge",
        release_date=model.release_date,
        context=(ContextAnswer(max_tokens=model.context_tokens) if "context" in sections else None),
        skills=(
            SkillsAnswer(
                tool_use=model.tool_use,
                reasoning=model.reasoning,
                input_modalities=model.input_modalities,
            )
            if "skills" in sections
            else None
        ),
        api=model,
        warnings=record.warnings,
        evidence=record.evidence,
        unknown=record.unknowns,
    )


def text(result: DescribeModelResult) -> str:
    """The model in a few lines."""
    lines = [f"{result.display_name} ({result.id})"]
    if result.parameters and result.parameters.total:
        line = f"{result.parameters.total / 1e9:.2f} B parameters"
        if result.parameters.active and result.parameters.active < result.parameters.total:
            line += f", {result.parameters.active / 1e9:.2f} B active per token"
        if result.parameters.native_gib is not None:
            stored_as = result.parameters.native_format or "stored"
            line += f"; {result.parameters.native_gib:g} GiB as {stored_as}"
        lines.append(line)
    if result.cache and result.cache.bytes_per_token is not None:
        lines.append(
            f"KV cache {result.cache.bytes_per_token:,} bytes a token (16 bit), "
            f"{result.cache.gib_at_8192_tokens:g} GiB at 8,192 tokens"
        )
    lines.extend(_about(result))
    return "\n".join((*lines, *result.warnings))


def _about(result: DescribeModelResult) -> Iterator[str]:
    if result.context and result.context.max_tokens:
        window = f"window {result.context.max_tokens:,} tokens"
        extended = result.context.extended_tokens
        yield f"{window}, extended {extended:,}" if extended else window
    if result.license:
        use = _COMMERCIAL_USE[result.license.commercial_use]
        yield f"licence {result.license.tag or 'not known'}, commercial use: {use}"
    prices = result.api.prices if result.api else None
    if prices and prices.input_usd_per_mtok is not None:
        yield (
            f"list price ${prices.input_usd_per_mtok:.2f} in{_out(prices.output_usd_per_mtok)} "
            f"per million tokens ({prices.date})"
        )


def _out(usd_per_mtok: float | None) -> str:
    return "" if usd_per_mtok is None else f", ${usd_per_mtok:.2f} out"


SPEC = ToolSpec(
    name="describe_model",
    title="Describe a model",
    description=(
        "What a model is: architecture, parameters (total, active, by kind), KV cache per token, "
        "window, licence, skills, relatives; for hosted models the window and dated list price."
    ),
    arguments=DescribeModelArguments,
    result=DescribeModelResult,
    run=run,
    text=text,
    open_world=True,  # a name nobody here knows is looked up on the Hub
)

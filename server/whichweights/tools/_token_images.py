"""Tokens of the images in a chat, by the documented formula of the model's family."""

from __future__ import annotations

from whichweights.answering import EvidenceLog
from whichweights.planning.image_tokens import (
    MAX_ASPECT_RATIO,
    READ,
    RULES,
    ImageRule,
    image_rule_of,
)
from whichweights.resolve.tokenizers import CountedModel
from whichweights.tools._token_input import GivenImage, TokenInput
from whichweights_schemas.errors import InvalidArgument


def image_tokens(counted: CountedModel, given: TokenInput, record: EvidenceLog) -> int:
    """Tokens of all images. Raises InvalidArgument where no formula is documented."""
    if not given.images:
        return 0
    rule = _rule(counted, given.images[0])
    total = sum(_tokens(rule, image) for image in given.images)
    record.add("counts.image_tokens", "computed", rule.source, date=READ, note=rule.note)
    if rule.assumed:
        record.add("counts.image_tokens", "assumed", rule.assumed, date=READ)
    record.warn(
        f"{counted.name}: images by the documented formula of {rule.family}: {total:,} tokens"
        + (f"; {rule.note}" if rule.note else "")
        + (f"; assumed: {rule.assumed}" if rule.assumed else "")
    )
    return total


def _rule(counted: CountedModel, image: GivenImage) -> ImageRule:
    names = [counted.name, *([counted.spec.id] if counted.spec else [])]
    closed = counted.api is not None and counted.api.open_weights is False
    rule = next((rule for name in names if (rule := image_rule_of(name))), None)
    if rule is None or closed:
        why = "its maker's rule is not an open one" if closed else "no formula is documented here"
        raise InvalidArgument(
            f"{image.field} is of type {image.kind}: images are not counted for {counted.name}, "
            f"{why}",
            field=image.field,
            hint=f"counted are {', '.join(rule.family for rule in RULES)}; else leave it out and "
            "add what the vendor bills",
        )
    return rule


def _tokens(rule: ImageRule, image: GivenImage) -> int:
    if not rule.formula.needs_size:
        return rule.formula.tokens(1, 1)
    if image.width is None or image.height is None:
        side = "width" if image.width is None else "height"
        raise InvalidArgument(
            f"{image.field} has no {side}: the tokens of {rule.family} depend on the size",
            field=f"{image.field}.{side}",
            hint='{"type": "image", "width": 1024, "height": 768}, in pixels',
        )
    long, short = max(image.width, image.height), min(image.width, image.height)
    if long > MAX_ASPECT_RATIO * short:
        raise InvalidArgument(
            f"{image.field} is more than {MAX_ASPECT_RATIO} times as long as wide",
            field=image.field,
            hint="Qwen's processor refuses such images; cut it, or leave it out",
        )
    return rule.formula.tokens(image.width, image.height)

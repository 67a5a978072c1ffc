"""Published quality loss of GGUF file types. Nothing comparable is published for other formats."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from whichweights.planning.formats._sources import AS_OF, PERPLEXITY_8B, PERPLEXITY_70B

__all__ = ["PerplexityRow", "QualityLoss", "perplexity_70b", "published_loss", "published_losses"]

METRIC: Final = "mean KL divergence against f16"
MODEL: Final = "Llama 3 8B"


@dataclass(frozen=True, slots=True)
class QualityLoss:
    """One published figure: `value` in nats per token, `delta_perplexity` on wikitext-2.

    It holds for `model`; other models and other languages lose differently (Llama 2 7B at Q4_K_M
    0.0127). `imatrix` tells whether one was used (10 M tokens of wikitext).
    """

    format: str
    imatrix: bool
    value: float
    delta_perplexity: float
    metric: str = METRIC
    model: str = MODEL
    source: str = PERPLEXITY_8B
    date: str = AS_OF


@dataclass(frozen=True, slots=True)
class PerplexityRow:
    """Perplexity on wiki.test of a file type, beside that of the unquantized model."""

    format: str
    perplexity: float
    baseline_f16: float = 2.8308
    model: str = "Llama 3 70B"
    source: str = PERPLEXITY_70B
    date: str = AS_OF


_PLAIN, _IMATRIX = False, True

_LOSSES: Final = (
    QualityLoss("F16", _PLAIN, 0.000551, 0.001524),
    QualityLoss("Q4_0", _PLAIN, 0.07194, 0.468514),
    QualityLoss("Q4_1", _PLAIN, 0.071683, 0.451103),
    QualityLoss("Q8_0", _PLAIN, 0.001355, 0.00265),
    QualityLoss("Q5_0", _PLAIN, 0.022239, 0.131591),
    QualityLoss("Q5_1", _PLAIN, 0.018045, 0.106223),
    QualityLoss("Q2_K", _PLAIN, 0.445132, 3.519934),
    QualityLoss("Q2_K", _IMATRIX, 0.332223, 2.416191),
    QualityLoss("Q3_K_S", _PLAIN, 0.228217, 1.632152),
    QualityLoss("Q3_K_S", _IMATRIX, 0.199821, 1.371244),
    QualityLoss("Q3_K_M", _PLAIN, 0.101913, 0.656864),
    QualityLoss("Q3_K_M", _IMATRIX, 0.084358, 0.502622),
    QualityLoss("Q3_K_L", _PLAIN, 0.087176, 0.556242),
    QualityLoss("Q3_K_L", _IMATRIX, 0.073077, 0.43959),
    QualityLoss("Q4_K_S", _PLAIN, 0.043136, 0.268895),
    QualityLoss("Q4_K_S", _IMATRIX, 0.031951, 0.178064),
    QualityLoss("Q4_K_M", _PLAIN, 0.031273, 0.175482),
    QualityLoss("Q4_K_M", _IMATRIX, 0.028152, 0.151303),
    QualityLoss("Q5_K_S", _PLAIN, 0.016595, 0.104964),
    QualityLoss("Q5_K_M", _PLAIN, 0.010762, 0.056974),
    QualityLoss("Q6_K", _PLAIN, 0.005452, 0.021748),
    QualityLoss("IQ2_XXS", _IMATRIX, 0.812022, 7.860148),
    QualityLoss("IQ2_XS", _IMATRIX, 0.54629, 4.529791),
    QualityLoss("Q2_K_S", _IMATRIX, 0.40336, 3.092145),
    QualityLoss("IQ3_XS", _IMATRIX, 0.138693, 0.931409),
    QualityLoss("IQ3_XXS", _IMATRIX, 0.183625, 1.226803),
    QualityLoss("IQ1_S", _IMATRIX, 2.254554, 54.462959),
    QualityLoss("IQ4_NL", _IMATRIX, 0.035742, 0.223959),
    QualityLoss("IQ3_S", _IMATRIX, 0.111278, 0.733867),
    QualityLoss("IQ3_M", _IMATRIX, 0.102534, 0.666694),
    QualityLoss("IQ2_S", _IMATRIX, 0.439197, 3.419148),
    QualityLoss("IQ2_M", _IMATRIX, 0.325989, 2.369166),
    QualityLoss("IQ4_XS", _IMATRIX, 0.036334, 0.228071),
    QualityLoss("IQ1_M", _IMATRIX, 1.393084, 19.262089),
)

_70B: Final = {
    row.format: row
    for row in (
        PerplexityRow("F16", 2.8308),
        PerplexityRow("Q8_0", 2.8316),
        PerplexityRow("Q2_K", 4.7763),
        PerplexityRow("Q3_K_S", 3.6502),
        PerplexityRow("Q3_K_M", 3.3617),
        PerplexityRow("Q3_K_L", 3.3016),
        PerplexityRow("Q4_K_S", 3.005),
        PerplexityRow("Q4_K_M", 2.9674),
        PerplexityRow("Q5_K_S", 2.8843),
        PerplexityRow("Q5_K_M", 2.8656),
        PerplexityRow("Q6_K", 2.8441),
        PerplexityRow("IQ2_XXS", 6.6705),
        PerplexityRow("IQ2_XS", 5.7486),
        PerplexityRow("Q2_K_S", 5.4334),
        PerplexityRow("IQ3_XS", 3.721),
        PerplexityRow("IQ3_XXS", 3.9671),
        PerplexityRow("IQ1_S", 9.8655),
        PerplexityRow("IQ4_NL", 3.0261),
        PerplexityRow("IQ3_S", 3.4698),
        PerplexityRow("IQ3_M", 3.4402),
        PerplexityRow("IQ2_S", 5.5215),
        PerplexityRow("IQ2_M", 4.8959),
        PerplexityRow("IQ4_XS", 3.031),
        PerplexityRow("IQ1_M", 8.5193),
    )
}


def published_losses(format_name: str) -> tuple[QualityLoss, ...]:
    """Every published figure of a file type, without imatrix first; empty where none exists."""
    key = format_name.strip().upper()
    return tuple(row for row in _LOSSES if row.format == key)


def published_loss(format_name: str, imatrix: bool | None = None) -> QualityLoss | None:
    """The published loss of a file type, or None: never a figure of a neighbour.

    `imatrix` None takes the figure without one where it exists, which is the larger loss.
    """
    rows = published_losses(format_name)
    if imatrix is not None:
        rows = tuple(row for row in rows if row.imatrix is imatrix)
    return rows[0] if rows else None


def perplexity_70b(format_name: str) -> PerplexityRow | None:
    """The published perplexity of Llama 3 70B in a file type; None where none exists."""
    return _70B.get(format_name.strip().upper())

"""The words of this field in one or two sentences each, with what is known of their effect."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["GLOSSARY", "Term", "find_term"]


@dataclass(frozen=True, slots=True)
class Term:
    """A word: what it means, what it does to memory, what evidence there is, where to ask on.

    `evidence` says so where nothing comparable is published.
    """

    term: str
    meaning: str
    memory: str
    evidence: str
    ask: str = ""
    aliases: tuple[str, ...] = ()


_KLD_TABLE: Final = "llama.cpp tools/perplexity/README.md, Llama 3 8B"

_TERMS: Final = (
    Term(
        "quantization",
        "Storing weights with fewer bits than they were trained with, with scales per block.",
        "Falls with the bits that are really stored, scales and unquantized parts included: "
        "Q4_K_M is 4.89 bits a weight on Llama-3.1-8B, not 4.",
        f"Mean KLD .0014 (Q8_0), .031 (Q4_K_M), .445 (Q2_K) ({_KLD_TABLE}).",
        "quantize_plan",
        ("post-training quantization", "ptq"),
    ),
    Term(
        "quantization-aware training",
        "Training on with quantized weights in the forward pass, so that the model adapts to them.",
        "None by itself: the file is as large as one quantized afterwards.",
        "No comparable measurement against quantizing afterwards was found.",
        "",
        ("qat",),
    ),
    Term(
        "pruning",
        "Removing weights, heads, layers or experts that matter little, then usually training on.",
        "Whole layers, heads or experts: memory falls with the parameters. Single weights set to "
        "zero: nothing, unless the engine stores them sparsely (see sparsity).",
        "No general figure: loss depends on the model and on the training afterwards; compare "
        "the scores of the pruned model itself.",
        "recommend_model",
        ("structured pruning", "layer pruning", "expert pruning"),
    ),
    Term(
        "sparsity",
        "Many weights are exactly zero; 2:4 sparsity keeps two of every four.",
        "Zeros take as much room as other values in dense formats: memory falls only in a sparse "
        "storage format that the engine supports.",
        "No evidence found that sparse weights save memory in GGUF, MLX, AWQ or GPTQ files.",
        "",
        ("sparse", "2:4", "2of4"),
    ),
    Term(
        "distillation",
        "Training a smaller student model on the outputs of a larger teacher.",
        "That of the student: DeepSeek-R1 has 684 billion parameters with its draft layer, its "
        "distilled students 1.5 to 70 billion.",
        "The student is another model: compare its own scores, not its teacher's.",
        "describe_model (relatives)",
        ("distilled", "knowledge distillation"),
    ),
    Term(
        "low-rank factorization",
        "Replacing a matrix by the product of two thin ones. LoRA trains such a pair beside frozen "
        "weights; MLA stores the KV cache through one.",
        "LoRA: adapters of a few per mille of the model. MLA: DeepSeek-V3 caches 70,272 bytes a "
        "token in 16 bits instead of 4,997,120 with full heads.",
        "No comparable measurement of replacing trained weights by low-rank ones was found.",
        "estimate_vram",
        ("low-rank", "low rank", "lora", "mla"),
    ),
    Term(
        "weight sharing",
        "One tensor used in several places: input and output embedding (tied), or KV of layers.",
        "Tied embeddings save vocabulary x width weights: 262,668,288 beside the 1.24 billion of "
        "Llama-3.2-1B, little of a large model.",
        "Makers decide it in training; a loss was not measured separately.",
        "describe_model",
        ("tied embeddings", "shared layers"),
    ),
    Term(
        "k-quant",
        "The K in Q4_K_M: super-blocks of 256 weights whose scales are quantized too. Which "
        "tensors get more bits follows from names and layers, not from measured importance.",
        "Q4_K stores 4.5 bits a weight; S, M and L say how many tensors are lifted above that.",
        f"Q4_K_M .031 at 4.89 bits, Q4_0 .072 at 4.64 bits ({_KLD_TABLE}).",
        "quantize_plan tag=Q4_K_M",
        ("k quant", "kquant"),
    ),
    Term(
        "i-quant",
        "The IQ types of GGUF: codebooks or non-linear values, smaller at equal loss and slower to "
        "decode on some devices. Those below 3.1 bits need an imatrix.",
        "IQ2_XXS stores 2.06, IQ4_XS 4.25 bits a weight.",
        f"IQ4_XS .036 at 4.46 bits, IQ3_M .103 at 3.76, IQ2_XXS .81 at 2.38 ({_KLD_TABLE}).",
        "quantize_plan tag=IQ4_XS",
        ("i quant", "iquant"),
    ),
    Term(
        "imatrix",
        "Importance matrix: mean squared activations of each column on sample text. llama-quantize "
        "weighs the rounding error with it.",
        "Nearly none: IQ4_XS 4.42 instead of 4.46 bits, Q4_0 4.65 instead of 4.64.",
        f"Q2_K .445 to .332, Q3_K_M .102 to .084, Q4_K_M .031 to .028 ({_KLD_TABLE}).",
        "quantize_plan",
        ("importance matrix",),
    ),
    Term(
        "bits per weight",
        "Bits of the stored tensors over the number of weights, scales and unquantized parts "
        "included.",
        "Weights in bytes = parameters x bits / 8. It differs by model: a large vocabulary or a "
        "tied head shifts it by up to half a bit.",
        "Computed from the tensors; equal to llama.cpp's own table for 24 of 24 file types.",
        "quantize_plan",
        ("bpw",),
    ),
    Term(
        "mean kld",
        "Kullback-Leibler divergence of the next-token distribution from that of the unquantized "
        "model, in nats, averaged over a text. 0 = the same model.",
        "None.",
        "The only loss published alike for many formats, and for GGUF alone; losses per language "
        "are unmeasured.",
        "quantize_plan",
        ("kld", "kl divergence"),
    ),
    Term(
        "perplexity",
        "How many equally likely tokens the model hesitates between on a text, on average.",
        "None.",
        "Comparable only for one tokenizer and one text: never between models.",
        "quantize_plan (verify)",
        ("ppl",),
    ),
    Term(
        "calibration",
        "Running sample text through the model to choose scales. Needed by GPTQ, AWQ, NVFP4 "
        "activations and the smallest IQ types; not by FP8 with dynamic scales, MLX or NF4.",
        "None in the result; making it holds the 16-bit model in memory.",
        "Take text of your own kind and languages: what other text costs was not measured.",
        "quantize_plan (commands)",
    ),
    Term(
        "expert offload",
        "Keeping the routed experts of a mixture of experts in system memory and all else on the "
        "device: a token reads few of them.",
        "The device holds attention, shared layers and the cache; system memory the experts.",
        "Speed follows the bandwidth of system memory; a range is given, no measurement transfers.",
        "estimate_vram cpu_offload=experts",
        ("cpu offload", "offload", "moe offload"),
    ),
    Term(
        "kv cache quantization",
        "Storing keys and values of earlier tokens in fewer bits than 16.",
        "q8_0 takes 53 %, q4_0 28 %, fp8 50 % of a 16-bit cache; weights stay as they are.",
        "No comparable measurement of its loss was found; llama.cpp needs flash attention for it.",
        "estimate_vram kv_cache_type=q8_0",
        ("kv quantization", "quantized kv cache", "kv cache"),
    ),
)

GLOSSARY: Final = {term.term: term for term in _TERMS}
"""Every term by its name."""


def find_term(name: str) -> Term | None:
    """The term of that name or alias, in any case and with any separators; None where unknown."""
    key = _folded(name)
    return next(
        (t for t in _TERMS if key in (_folded(n) for n in (t.term, *t.aliases))),
        None,
    )


def _folded(name: str) -> str:
    return " ".join(name.lower().replace("_", " ").replace("-", " ").split())

"""Where the figures of this package come from, named once."""

from __future__ import annotations

from typing import Final

GGML_BLOCKS: Final = "ggml block structs: gguf-py 0.19.0 GGML_QUANT_SIZES, llama.cpp ggml-common.h"
LLAMA_QUANT: Final = "llama.cpp src/llama-quant.cpp, in our own words"
LLAMA_FILE_TYPES: Final = "llama.cpp include/llama.h, tools/quantize; gguf-py 0.19.0 LlamaFileType"
MIXTURE_BITS: Final = (
    "the mixture rule on the tensors of Llama-3.1-8B; equal to 4 decimals to "
    "llama.cpp tools/quantize/README.md for the 24 file types it lists"
)
PERPLEXITY_8B: Final = (
    "llama.cpp tools/perplexity/README.md (Llama 3 8B scoreboard, revision f364eb6f, RTX 4090)"
)
PERPLEXITY_70B: Final = (
    "llama.cpp PR 6745 comment (dranger003), as quoted in "
    "XiongjieDai/GPU-Benchmarks-on-LLM-Inference README"
)
FORMAT_LAYOUT: Final = "derived from the format's tensor layout"
MLX_QUANTIZE: Final = "mlx.core.quantize documentation"
NAMING_HABITS: Final = "file and repository naming habits; @huggingface/tasks 0.21.54 gguf.ts"
VLLM_DOCS: Final = "docs.vllm.ai quantization page (undated copy, compared with v0.11.2 to v0.15.1)"
VLLM_RELEASE: Final = (
    "QuantizationMethods of the vLLM 0.33.0 wheel; vllm-project/vllm issue 39583, PR 39612; "
    "vllm-gguf-plugin 0.0.5, vllm-bnb-plugin 0.0.3 on PyPI"
)
SGLANG_DOCS: Final = "sgl-project/sglang docs/advanced_features/quantization.md @0f4513c2"
TRANSFORMERS_DOCS: Final = (
    "huggingface/transformers quantization overview @000aeff3 (early 2025); "
    "methods of transformers 5.23.0"
)
LLAMA_CPP_BACKENDS: Final = "llama.cpp repository (CPU, CUDA, HIP, Metal, Vulkan, SYCL backends)"

AS_OF: Final = "2026-11-20"
"""The day these sources were read and put together."""

CHECKED: Final = "2026-11-27"
"""The day a released package was read."""

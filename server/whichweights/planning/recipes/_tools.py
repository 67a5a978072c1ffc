"""The programs behind the commands. Their options were read in these versions."""

from __future__ import annotations

from typing import Final

from whichweights.planning.recipes._shapes import Tool

__all__ = [
    "AUTO_ROUND",
    "BITSANDBYTES",
    "EXLLAMAV2",
    "EXLLAMAV3",
    "GPTQMODEL",
    "HUB",
    "LLAMA_CPP",
    "LLM_COMPRESSOR",
    "LM_EVAL",
    "MLX_LM",
    "TOOLS",
    "VLLM",
]

_READ: Final = "2026-11-20"
_CHECKED: Final = "2026-11-27"

HUB: Final = Tool(
    "hf", "2.4", "hf download --help of huggingface_hub", _READ, "pip install huggingface_hub"
)
LLAMA_CPP: Final = Tool(
    "llama.cpp",
    "2026",
    "READMEs of tools/quantize @311c2c9f and tools/imatrix @019f1970, "
    "convert_hf_to_gguf.py @0024aa74, scripts/get-wikitext-2.sh",
    _READ,
    "build or download it, pip install -r requirements.txt, work in its folder",
)
LLM_COMPRESSOR: Final = Tool(
    "llm-compressor",
    "0.14.0.1",
    "signature of oneshot and schemes of compressed-tensors 0.20.0 in the wheels on PyPI",
    _READ,
    "pip install llmcompressor",
)
GPTQMODEL: Final = Tool(
    "GPTQModel",
    "7.7.0",
    "README, GPTQConfig and GPTQModel.load, quantize, save in the release on PyPI",
    _CHECKED,
    "pip install gptqmodel",
)
AUTO_ROUND: Final = Tool(
    "AutoRound",
    "0.16.1",
    "option parser and naming of the output folder in the wheel on PyPI "
    "(auto_round/cli/parser.py, compressors/base.py)",
    _CHECKED,
    "pip install auto-round",
)
BITSANDBYTES: Final = Tool(
    "transformers",
    "5.23.0",
    "quantization pages of the transformers documentation",
    _READ,
    "pip install transformers accelerate bitsandbytes (or hqq, torchao)",
)
MLX_LM: Final = Tool(
    "mlx-lm", "0.32.2", "mlx_lm.convert --help, run on the CPU build", _READ, "pip install mlx-lm"
)
EXLLAMAV3: Final = Tool(
    "ExLlamaV3",
    "1.6.5",
    "option parser of the wheel on PyPI (exllamav3/conversion/convert_model.py)",
    _CHECKED,
    "pip install exllamav3",
)
EXLLAMAV2: Final = Tool(
    "ExLlamaV2",
    "0.3.2",
    "option parser of the wheel on PyPI (exllamav2/conversion/convert_exl2.py)",
    _CHECKED,
    "pip install exllamav2",
)
LM_EVAL: Final = Tool(
    "lm-evaluation-harness",
    "0.4.13",
    "option parser and task wikitext of the wheel on PyPI (lm_eval/_cli/run.py)",
    _CHECKED,
    "pip install 'lm_eval[vllm]'",
)

VLLM: Final = Tool(
    "vLLM",
    "0.33.0 with vllm-bnb-plugin 0.0.3",
    "option parser of the wheel on PyPI (vllm/engine/arg_utils.py), README of the plugin",
    _CHECKED,
    "pip install vllm vllm-bnb-plugin",
)

TOOLS: Final = (
    *(HUB, LLAMA_CPP, LLM_COMPRESSOR, GPTQMODEL, AUTO_ROUND, BITSANDBYTES, MLX_LM),
    *(EXLLAMAV2, EXLLAMAV3, VLLM, LM_EVAL),
)
"""Every tool the recipes use."""

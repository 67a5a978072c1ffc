"""Published fine-tuning runs as deployments: what each source says of its recipe, and no more."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, cast

from _cases import Case, Matcher, load_cases

from whichweights.planning.training import TrainingPlanner
from whichweights.planning.training.bands import FACTORS, Factors
from whichweights_schemas.accelerators import Accelerator
from whichweights_schemas.attention import FullAttention
from whichweights_schemas.deployment import (
    Deployment,
    EngineOptions,
    TrainingOptions,
    Workload,
)
from whichweights_schemas.errors import WhichweightsError
from whichweights_schemas.models import Block, DenseFeedForward, ModelSpec, ParameterCounts

MIB = 2**20
_ROOMY = 2**44


def _dense(
    name: str, total: int, layers: int, hidden: int, width: int, kv: int, vocabulary: int,
    gated: bool = True,
) -> ModelSpec:  # fmt: skip
    attention = FullAttention(query_heads=hidden // 128, kv_heads=kv, head_dim=128)
    block = Block(attention=attention, feed_forward=DenseFeedForward(width=width, gated=gated))
    return ModelSpec(
        id=name,
        display_name=name,
        parameters=ParameterCounts(total=total, language=total, vision=0, mtp=0),
        hidden_size=hidden,
        vocab_size=vocabulary,
        tied_embeddings=False,
        blocks=(block,),
        layout=(0,) * layers,
    )


# Models the catalogue does not have, from their config.json (total = Hub safetensors count).
_QWEN = _dense("Qwen/Qwen-14B", 14_167_290_880, 40, 5120, 13_696, 40, 152_064)
_BY_HAND = {
    "Qwen/Qwen-14B": _QWEN,
    "Qwen/Qwen-14B-Chat": _QWEN,
    "THUDM/chatglm3-6b": _dense("chatglm3-6b", 6_243_584_000, 28, 4096, 13_696, 2, 65_024),
    "baichuan-inc/Baichuan2-7B-Chat": _dense(
        "Baichuan2-7B", 7_505_973_248, 32, 4096, 11_008, 32, 125_696
    ),
    "stabilityai/stablelm-base-alpha-3b": _dense(
        "stablelm-base-alpha-3b", 3_637_321_728, 16, 4096, 16_384, 32, 50_688, gated=False
    ),
}

# Copies and fine-tunes that keep the shape of a model of the catalogue.
_SAME_SHAPE = {
    "unsloth/gemma-2-2b": "google/gemma-2-2b-it",
    "unsloth/gemma-2-9b": "google/gemma-2-9b-it",
    "unsloth/gemma-3n-E4B-it": "google/gemma-3n-E4B-it",
    "unsloth/gemma-3-270m-it": "google/gemma-3-270m-it",
    "unsloth/gemma-3-27b-it": "google/gemma-3-27b-it",
    "unsloth/gemma-3-4b-it": "google/gemma-3-4b-it",
    "unsloth/gemma-4-12b-it": "google/gemma-4-12b-it",
    "unsloth/gemma-4-26B-A4B-it": "google/gemma-4-26B-A4B-it",
    "unsloth/gemma-4-E2B-it": "google/gemma-4-E2B-it",
    "unsloth/granite-4.0-h-micro": "ibm-granite/granite-4.0-h-micro",
    "LiquidAI/LFM2.5-1.2B-Base": "LiquidAI/LFM2.5-1.2B-Instruct",
    "unsloth/Llama-3.1-8B": "meta-llama/Llama-3.1-8B",
    "unsloth/Nemotron-3-Nano-30B-A3B": "nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16",
    "unsloth/Llama-OuteTTS-1.0-1B": "meta-llama/Llama-3.2-1B-Instruct",
    "unsloth/Phi-3.5-mini-instruct": "microsoft/Phi-3.5-mini-instruct",
    "unsloth/Qwen2.5-7B": "Qwen/Qwen2.5-7B-Instruct",
    "unsloth/Qwen2.5-Coder-14B-Instruct": "Qwen/Qwen2.5-Coder-14B-Instruct",
    "unsloth/Qwen3-0.6B": "Qwen/Qwen3-0.6B",
    "unsloth/Qwen3-14B-Base-unsloth-bnb-4bit": "Qwen/Qwen3-14B",
    "unsloth/Qwen3-14B": "Qwen/Qwen3-14B",
    "unsloth/Qwen3-32B": "Qwen/Qwen3-32B",
    "unsloth/Qwen3-4B-Instruct-2507": "Qwen/Qwen3-4B-Instruct-2507",
    "unsloth/Qwen3.5-27B": "Qwen/Qwen3.5-27B",
    "unsloth/gpt-oss-20b": "openai/gpt-oss-20b",
    "01-ai/Yi-34B-Chat": "01-ai/Yi-34B",
    "OpenBuddy/openbuddy-zephyr-7b": "mistralai/Mistral-7B-v0.1",
    "mistralai/Devstral-Small-2507": "mistralai/Devstral-Small-2505",
    "mistralai/Magistral-Small-2506": "mistralai/Devstral-Small-2505",
    "OpenGVLab/InternVL3_5-8B-HF": "Qwen/Qwen3-8B",
    "allenai/Olmo-3-7B-Instruct-SFT": "allenai/Olmo-3-7B-Instruct",
}

_FAMILIES = (
    ("llama-2", "Llama 2"), ("llama", "Llama 3"), ("qwen", "Qwen"), ("gemma", "Gemma"),
    ("chatglm", "ChatGLM"), ("yi-", "Yi"), ("zephyr", "Mistral"), ("ministral", "Mistral"),
    ("devstral", "Mistral"), ("magistral", "Mistral"), ("baichuan", "Baichuan"),
    ("stablelm", "StableLM"), ("internvl", "Qwen"),
)  # fmt: skip

_OPTIMIZERS = {
    "adamw": "adamw", "adamw-fused-bf16": "adamw", "adamw_torch": "adamw", "lora-fa": "adamw",
    "adamw_8bit": "adamw_8bit", "adamw8bit": "adamw_8bit", "adamw_bnb_8bit": "adamw_8bit",
    "adamw-bnb-8bit": "adamw_8bit", "adamw-ao-8bit": "adamw_8bit",
    "paged_adamw_8bit": "paged_adamw_8bit",
}  # fmt: skip

_EAGER = ("THUDM/chatglm3-6b", "OpenBuddy/openbuddy-zephyr-7b")
"""ms-swift of 2023: no fused attention for these (their memory grows with the square)."""

_KNOWN_LENGTHS = ("QwenLM", "huggingface/peft", "Lightning-AI", "modelscope", "pytorch/ao")
"""Sources whose samples reach the stated length; the others state a maximum."""


_BEFORE_5 = "4.0"
"""Sources that name no version: all of 2023 to 2025, before transformers 5 and its loss."""


class Unusable(Exception):
    """The row does not say enough to plan it; the text is the reason."""


@dataclass(frozen=True)
class Row:
    """One run: the deployment its source describes, and its measured peak (MiB, per device where
    the source says so)."""

    case: Case
    spec: ModelSpec
    deployment: Deployment
    family: str
    source: str
    measured: float
    per_device: bool
    known_length: bool

    @property
    def workload(self) -> Workload:
        return self.deployment.workload

    def planned(self, factors: Factors = FACTORS) -> tuple[float, float, float]:
        """(total, low, high) in MiB without what the allocator's counter does not see."""
        plan = TrainingPlanner(self.spec, self.deployment, factors).plan()
        inside = [part for part in plan.parts if part.group != "runtime"]
        share = MIB * (max(1, len(self.deployment.accelerators)) if self.per_device else 1)
        return (
            sum(part.bytes for part in inside) / share,
            sum(part.low for part in inside) / share,
            sum(part.high for part in inside) / share,
        )


def family_of(name: str) -> str:
    """The family a model is left out with."""
    lowered = name.lower()
    return next((family for part, family in _FAMILIES if part in lowered), name.split("/")[-1])


async def finetune_rows() -> tuple[list[Row], Counter[str]]:
    """Every run that can be planned, and why the others cannot."""
    matcher, rows, left = Matcher(), list[Row](), Counter[str]()
    for case in load_cases():
        if case.kind != "finetune":
            continue
        name = case.row["model"]
        base = _SAME_SHAPE.get(name) or case.get("base") or name
        spec = _BY_HAND.get(name) or await matcher.spec(Case({**case.row, "base": base}))
        try:
            if case.excluded:
                raise Unusable("excluded by the collector")
            if spec is None:
                raise Unusable(f"no shape of {name}")
            row = _row(case, spec)
            row.planned()
        except (Unusable, WhichweightsError) as reason:
            left[str(reason)] += 1
            continue
        rows.append(row)
    return rows, left


def _row(case: Case, spec: ModelSpec) -> Row:
    source = case.source.split(" ")[0].split("@")[0]
    packed = case.get("packed")
    known = source.startswith(_KNOWN_LENGTHS) and case.get("sequence_tokens") is not None
    deployment = _deployment(case)
    return Row(
        case=case,
        spec=spec,
        deployment=deployment,
        family=family_of(case.row["model"]),
        source="/".join(source.split("/")[:2]),
        measured=case.measured["total_mib"],
        per_device=case.row["engine"] == "torchtitan",
        known_length=known or (packed is True and "axolotl" not in source),
    )


def _workload(case: Case) -> Workload:
    method = case.row["method"].lower()
    if method in ("full", "osf") or method.startswith("pretrain"):
        return "full_finetune"
    return "lora" if case.row["quantization"] in ("BF16", "16bit") else "qlora"


def _deployment(case: Case) -> Deployment:
    if case.get("sequence_tokens") is None:
        raise Unusable("no sequence length")
    if "500K" in case.source:
        raise Unusable("the stated length is not that of the run")
    workload = _workload(case)
    stated: str = case.row["quantization"]
    quantization = "BF16" if stated == "16bit" else stated
    if workload == "full_finetune" and quantization != "BF16":
        raise Unusable("low-precision training")
    count = case.row["devices"]
    device = Accelerator(name="device", total_bytes=_ROOMY, free_bytes=_ROOMY)
    return Deployment(
        engine="transformers",
        workload=workload,
        quantization=quantization,
        context_tokens=case.row["sequence_tokens"],
        concurrent_sequences=case.get("sequences") or 1,
        options=EngineOptions(
            flash_attention=case.row["model"] not in _EAGER,
            engine_version=case.get("engine_version") or _BEFORE_5,
        ),
        training=TrainingOptions.model_validate(_switches(case, workload)),
        accelerators=(device,) * count if count > 1 else (),
    )


def _switches(case: Case, workload: Workload) -> dict[str, Any]:
    engine = case.row["engine"]
    found: dict[str, Any] = {
        "lora_rank": case.get("lora_rank"),
        "optimizer": _OPTIMIZERS.get((case.get("optimizer") or "").lower()),
        "chunked_loss": case.get("chunked_loss"),
        "activation_offload": case.get("activation_offload"),
        "optimizer_in_backward": case.get("optimizer_in_backward"),
        "packed": case.get("packed"),
    }
    if engine in ("litgpt", "unsloth", "torchtune", "axolotl"):
        found["recipe"] = engine
    if workload == "full_finetune":
        found["gradient_accumulation"] = case.get("gradient_accumulation")
        if engine == "torchtune" and case.get("chunked_loss") is None:
            found["chunked_loss"] = False
    else:
        found["trainable_parameters"] = case.get("trainable_parameters")
        found["lora_targets"] = _targets(case)
    found.update(_checkpointing(case))
    if engine == "torchtitan":
        found.update(master_weights=True, gradient_bytes=4, sharding="fsdp")
    elif case.row["devices"] > 1:
        found["sharding"] = "layers"
    return {name: value for name, value in found.items() if value is not None}


def _targets(case: Case) -> str | None:
    method, stated = case.row["method"].lower(), str(case.get("lora_targets") or "")
    if "emb" in method:
        return "all_linear_and_embeddings"
    if method == "adapter_v2" or any(part in stated for part in ("mlp", "up_", "gate", "down")):
        return "all_linear"
    if case.row["engine"] == "litgpt" or "peft" in case.row["engine"].split(" ")[0]:
        return "query_value" if "transformers" not in case.row["engine"] else None
    return {"q,v": "query_value", "q,k,v,o": "attention"}.get(stated)


def _checkpointing(case: Case) -> dict[str, bool]:
    stated = cast("bool | str | None", case.get("gradient_checkpointing"))
    unsloth = case.row["engine"] == "unsloth"
    match str(stated):
        case "unsloth":
            return {"gradient_checkpointing": True, "activation_offload": True}
        case "True" | "full":
            return {
                "gradient_checkpointing": True,
                **({"activation_offload": False} if unsloth else {}),
            }
        case "False" | "none":
            return {"gradient_checkpointing": False}
        case "None":
            return {}
        case "fsdp":
            raise Unusable("one figure for every micro batch: the peak of loading")
        case _:
            raise Unusable("selective checkpointing")

"""Measure what transformers really takes on the GPU of this machine, one JSON row a case.

    python benchmarks/measure_on_gpu.py [--kinds transformers_infer,held_out,…] [--seconds 400]

Needs an NVIDIA GPU, torch, transformers and nvidia-ml-py; for fine-tuning peft and accelerate too,
for QLoRA bitsandbytes. whichweights itself is not imported: the rows judge it elsewhere.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
import transformers
from _gpu_models import shapes

MIB = 1 << 20
SHAPES = shapes()
Row = dict[str, Any]

INFERENCE = [
    (model, prompt, batch)
    for model in (
        "meta-llama/Llama-3.2-3B-Instruct", "google/gemma-2-2b-it", "google/gemma-3-1b-it",
        "microsoft/Phi-3.5-mini-instruct", "HuggingFaceTB/SmolLM2-1.7B-Instruct",
        "facebook/opt-6.7b", "EleutherAI/pythia-6.9b", "mistralai/Mistral-7B-Instruct-v0.3",
        "meta-llama/Llama-3.1-8B-Instruct", "ibm-granite/granite-3.3-8b-instruct",
        "allenai/OLMo-2-1124-7B-Instruct", "google/gemma-2-9b-it", "Qwen/Qwen3-8B",
        "deepseek-ai/DeepSeek-V2-Lite-Chat", "Qwen/Qwen3-30B-A3B",
    )
    for prompt, batch in ((1000, 1), (2000, 4), (8000, 1), (30000, 1))
]  # fmt: skip
"""Model, prompt tokens, sequences; a prompt beyond the window is left out."""

HELD_OUT = [
    (model, prompt, batch)
    for model in (
        "Qwen/Qwen2.5-7B-Instruct", "microsoft/phi-4", "HuggingFaceTB/SmolLM3-3B",
        "CohereLabs/aya-expanse-8b", "CohereLabs/c4ai-command-r7b-12-2024",
        "allenai/Olmo-3-7B-Instruct", "google/gemma-3-4b-it", "openai-community/gpt2-xl",
        "tiiuae/falcon-7b", "mistralai/Mistral-Small-24B-Instruct-2501", "zai-org/GLM-4.7-Flash",
        "openai/gpt-oss-20b", "ibm-granite/granite-4.0-h-tiny",
    )
    for prompt, batch in ((900, 1), (1900, 3), (7000, 1), (16000, 1))
]  # fmt: skip
"""Measured after the planner's rules for those above were written down."""

GENERATED = 16

TRAINING = [
    # model, method, sequence length, micro-batch, checkpointing, rank
    ("meta-llama/Llama-3.2-1B-Instruct", "lora", 512, 4, True, 16),
    ("meta-llama/Llama-3.2-1B-Instruct", "lora", 2048, 1, False, 16),
    ("meta-llama/Llama-3.2-1B-Instruct", "full", 1024, 2, True, 0),
    ("meta-llama/Llama-3.2-1B-Instruct", "full", 2048, 1, False, 0),
    ("meta-llama/Llama-3.2-1B-Instruct", "qlora", 2048, 1, True, 16),
    ("meta-llama/Llama-3.2-3B-Instruct", "lora", 2048, 1, True, 16),
    ("meta-llama/Llama-3.2-3B-Instruct", "full", 2048, 1, True, 0),
    ("meta-llama/Llama-3.1-8B-Instruct", "lora", 2048, 1, True, 16),
    ("meta-llama/Llama-3.1-8B-Instruct", "lora", 1024, 2, False, 64),
    ("meta-llama/Llama-3.1-8B-Instruct", "qlora", 2048, 1, True, 16),
    ("meta-llama/Llama-3.1-8B-Instruct", "qlora", 512, 4, True, 64),
    ("mistralai/Mistral-7B-Instruct-v0.3", "lora", 4096, 1, True, 16),
    ("mistralai/Mistral-7B-Instruct-v0.3", "qlora", 1024, 2, True, 16),
    ("mistralai/Mistral-7B-Instruct-v0.3", "full", 1024, 1, True, 0),
    ("google/gemma-2-2b-it", "lora", 2048, 1, True, 16),
    ("google/gemma-2-2b-it", "full", 1024, 1, True, 0),
    ("google/gemma-2-2b-it", "qlora", 1024, 1, True, 16),
    ("google/gemma-3-1b-it", "lora", 2048, 2, True, 16),
    ("google/gemma-3-1b-it", "full", 1024, 2, False, 0),
    ("Qwen/Qwen3-0.6B", "full", 2048, 4, True, 0),
    ("Qwen/Qwen3-0.6B", "lora", 4096, 1, False, 32),
    ("Qwen/Qwen3-8B", "lora", 1024, 4, True, 16),
    ("Qwen/Qwen3-8B", "qlora", 2048, 1, True, 16),
    ("microsoft/Phi-3.5-mini-instruct", "lora", 2048, 2, True, 16),
    ("microsoft/Phi-3.5-mini-instruct", "full", 1024, 1, True, 0),
    ("microsoft/Phi-3.5-mini-instruct", "qlora", 1024, 1, False, 16),
    ("HuggingFaceTB/SmolLM2-1.7B-Instruct", "full", 4096, 1, True, 0),
    ("HuggingFaceTB/SmolLM2-1.7B-Instruct", "lora", 2048, 4, True, 16),
    ("ibm-granite/granite-3.3-8b-instruct", "lora", 2048, 1, True, 16),
    ("ibm-granite/granite-3.3-8b-instruct", "qlora", 1024, 2, True, 16),
    ("allenai/OLMo-2-1124-7B-Instruct", "lora", 2048, 1, True, 16),
    ("allenai/OLMo-2-1124-7B-Instruct", "qlora", 2048, 1, True, 16),
    ("facebook/opt-6.7b", "lora", 1024, 1, True, 16),
]

TRAINING_HELD_OUT = [
    ("HuggingFaceTB/SmolLM3-3B", "lora", 2048, 1, True, 16),
    ("HuggingFaceTB/SmolLM3-3B", "full", 1024, 1, True, 0),
    ("Qwen/Qwen2.5-7B-Instruct", "lora", 1024, 2, True, 16),
    ("Qwen/Qwen2.5-7B-Instruct", "qlora", 1024, 2, True, 16),
    ("CohereLabs/aya-expanse-8b", "lora", 1024, 1, True, 16),
    ("google/gemma-3-4b-it", "lora", 1024, 2, True, 16),
    ("google/gemma-3-4b-it", "qlora", 1024, 1, True, 16),
    ("openai-community/gpt2-xl", "full", 1024, 1, True, 0),
    ("microsoft/phi-4", "lora", 1024, 1, True, 32),
    ("allenai/Olmo-3-7B-Instruct", "qlora", 2048, 1, True, 16),
]


def context_mib() -> float:
    """What a CUDA context takes beside torch's own allocations, by the driver."""
    import pynvml

    pynvml.nvmlInit()
    index = pynvml.nvmlDeviceGetHandleByIndex(0)
    used = pynvml.nvmlDeviceGetMemoryInfo(index).used
    return (used - torch.cuda.memory_reserved()) / MIB


def configuration(model: str) -> Any:
    kind, arguments = SHAPES[model]
    return transformers.CONFIG_MAPPING[kind](**arguments)


def drawn(model: str) -> Any:
    """The model with random weights in bf16, made on the device."""
    with torch.device(DEVICE):
        return transformers.AutoModelForCausalLM.from_config(
            configuration(model), dtype=torch.bfloat16
        )


def peak(work: Callable[[], object]) -> Row:
    gc.collect()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    held = torch.cuda.memory_allocated()
    work()
    torch.cuda.synchronize()
    return {
        "weights_mib": round(held / MIB, 1),
        "total_mib": round(torch.cuda.max_memory_allocated() / MIB, 1),
        "reserved_mib": round(torch.cuda.max_memory_reserved() / MIB, 1),
        "context_mib": round(context_mib(), 1),
    }


def inference(cases: list[tuple[str, int, int]]) -> Iterator[tuple[Row, Callable[[], Row]]]:
    loaded: dict[str, Any] = {}

    def run(model: str, prompt: int, batch: int) -> Row:
        if model not in loaded:
            loaded.clear()
            gc.collect()
            loaded[model] = drawn(model).eval()
        net = loaded[model]
        tokens = torch.randint(10, 1000, (batch, prompt), device=DEVICE)
        attention = torch.ones_like(tokens)

        @torch.inference_mode()
        def generate() -> None:
            net.generate(
                tokens, attention_mask=attention, max_new_tokens=GENERATED,
                min_new_tokens=GENERATED, do_sample=False, pad_token_id=0,
            )  # fmt: skip

        return peak(generate)

    for model, prompt, batch in cases:
        if prompt + GENERATED > SHAPES[model][1]["max_position_embeddings"]:
            continue
        yield (
            {"kind": "transformers_infer", "model": model, "quant": "bf16", "batch": batch,
             "input_len": prompt, "output_len": GENERATED},
            lambda model=model, prompt=prompt, batch=batch: run(model, prompt, batch),
        )  # fmt: skip


def training(
    runs: list[tuple[str, str, int, int, bool, int]],
) -> Iterator[tuple[Row, Callable[[], Row]]]:
    for model, method, length, batch, checkpointing, rank in runs:
        row = {"kind": "finetune", "model": model, "method": method, "seq_len": length,
               "batch": batch, "grad_ckpt": checkpointing, "lora_r": rank or None,
               "optimizer": "adamw_torch"}  # fmt: skip
        yield row, lambda row=row: train(row)


def train(row: Row) -> Row:
    """Three steps of the Trainer, with its defaults, in bf16."""
    net = trainable(row)
    length = row["seq_len"]
    tokens = [{"input_ids": list(range(10, 10 + length)), "labels": list(range(10, 10 + length))}]
    with tempfile.TemporaryDirectory() as folder:
        arguments = transformers.TrainingArguments(
            output_dir=folder, per_device_train_batch_size=row["batch"], max_steps=3, bf16=True,
            gradient_checkpointing=row["grad_ckpt"], report_to=[], save_strategy="no",
            optim=row["optimizer"], disable_tqdm=True, dataloader_pin_memory=False,
            logging_strategy="no", use_cpu=DEVICE == "cpu",
        )  # fmt: skip
        trainer = transformers.Trainer(
            model=net, args=arguments, train_dataset=tokens * (3 * row["batch"]),
            data_collator=transformers.default_data_collator,
        )  # fmt: skip
        found = peak(trainer.train)
    count = sum(weight.numel() for weight in net.parameters() if weight.requires_grad)
    return {**found, "trainable_parameters": count}


def trainable(row: Row) -> Any:
    """The model as the method trains it: adapters on every linear layer, 4-bit weights."""
    net = drawn(row["model"])
    if row["method"] == "full":
        return net
    import peft

    if row["method"] == "qlora":
        net = in_four_bits(net)
        net = peft.prepare_model_for_kbit_training(net, use_gradient_checkpointing=row["grad_ckpt"])
    else:
        net.enable_input_require_grads()
    adapter = peft.LoraConfig(
        r=row["lora_r"], lora_alpha=16, target_modules="all-linear", task_type="CAUSAL_LM"
    )
    return peft.get_peft_model(net, adapter)


def in_four_bits(net: Any) -> Any:
    """NF4 with double quantization, as the QLoRA paper has it; the head stays in 16 bits."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        net.save_pretrained(folder)
        del net
        gc.collect()
        torch.cuda.empty_cache()
        return transformers.AutoModelForCausalLM.from_pretrained(
            folder, device_map={"": 0}, dtype=torch.bfloat16,
            quantization_config=transformers.BitsAndBytesConfig(
                load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True,
                bnb_4bit_compute_dtype=torch.bfloat16,
            ),
        )  # fmt: skip


DEVICE = "cuda"

KINDS = {
    "transformers_infer": lambda: inference(INFERENCE),
    "held_out": lambda: inference(HELD_OUT),
    "finetune": lambda: training(TRAINING),
    "finetune_held_out": lambda: training(TRAINING_HELD_OUT),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--seconds", type=float, default=1e9, help="start no case after this")
    options = parser.parse_args()
    started = time.monotonic()
    device = torch.cuda.get_device_properties(0)
    base = {
        "engine": "transformers", "engine_version": transformers.__version__,
        "torch": torch.__version__, "gpu": device.name,
        "device_total_mib": round(device.total_memory / MIB, 1),
    }  # fmt: skip
    for kind in options.kinds.split(","):
        for row, run in KINDS[kind]():
            if time.monotonic() - started > options.seconds:
                print("out of time", file=sys.stderr)
                return
            try:
                found = run()
            except Exception as error:  # one case that fails must not cost the others
                found = {"error": f"{type(error).__name__}: {error}"[:200]}
            held_out = {"held_out": True} if kind.endswith("held_out") else {}
            print(json.dumps({**base, **row, **found, **held_out}), flush=True)
            gc.collect()
            torch.cuda.empty_cache()


if __name__ == "__main__":
    main()

"""What rules of thumb say beside the plan."""

from __future__ import annotations

from math import isclose

from specs import LLAMA_31_8B, LLAMA_33_70B, deployment, gpu

from whichweights.planning.inference import plan_inference
from whichweights.planning.rules_of_thumb import rules_for_inference, rules_for_training


def test_twice_the_size_is_far_too_much_for_a_16_bit_model():
    plan = plan_inference(LLAMA_33_70B, deployment("vllm", "BF16", 8192, *[gpu(79)] * 4))
    rules = {rule.rule: rule for rule in rules_for_inference(LLAMA_33_70B, plan)}
    doubled = rules["2.1 x the model size"]
    assert doubled.bytes == round(2.1 * 2 * 70_553_706_496)
    assert isclose(doubled.error_percent, 100 * (doubled.bytes / plan.total - 1), abs_tol=0.06)
    assert doubled.error_percent > 60
    assert "quantized: 70 % of the 16-bit size" not in rules


def test_seventy_percent_applies_to_quantized_models_only():
    plan = plan_inference(LLAMA_31_8B, deployment("llama.cpp", "Q4_K_M", 8192, gpu(24)))
    rules = {rule.rule: rule for rule in rules_for_inference(LLAMA_31_8B, plan)}
    assert rules["quantized: 70 % of the 16-bit size"].bytes == round(1.4 * 8_030_261_248)


def test_the_attention_matrix_is_named_only_at_long_context():
    def rules(context: int) -> set[str]:
        plan = plan_inference(LLAMA_31_8B, deployment("llama.cpp", "Q4_K_M", context, gpu(79)))
        return {rule.rule for rule in rules_for_inference(LLAMA_31_8B, plan)}

    matrix = "weights + one n x n attention matrix in 16 bits"
    assert matrix not in rules(8192)
    assert matrix in rules(100_000)


def test_twelve_times_the_weights_is_shown_for_training():
    rules = rules_for_training(LLAMA_31_8B, 16 * 10**9, 60 * 10**9)
    assert [rule.rule for rule in rules] == [
        "12 x the weights",
        "12 GB per billion parameters",
        "16 bytes per parameter",
    ]
    assert rules[0].error_percent == 220.0

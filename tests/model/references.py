"""Writes ../golden/families.json: what Hugging Face transformers computes for tiny models of each family.

The weights aren't kept: both this script and fixture.ts make them from the tensors' names (`tensor` here, `tensorOf`
there), with values that float32, float16 and bfloat16 hold exactly. Every number below comes from transformers' own
model classes in float32 on the CPU (attention: eager), without a KV cache: each row is the last one of a whole pass.

    python -m venv /tmp/venv && /tmp/venv/bin/pip install torch==2.15.0 transformers==5.23.0
    /tmp/venv/bin/python tests/model/references.py
"""

import json
import tempfile
from pathlib import Path

import numpy as np
import torch
from transformers import AutoConfig, AutoModelForCausalLM

BASE = dict(
    hidden_act="silu",
    hidden_size=96,
    intermediate_size=160,
    num_hidden_layers=2,
    num_attention_heads=6,
    num_key_value_heads=2,
    vocab_size=256,
    max_position_embeddings=128,
    rms_norm_eps=1e-5,
    tie_word_embeddings=False,
)
LLAMA = dict(BASE, architectures=["LlamaForCausalLM"], model_type="llama")
MISTRAL = dict(BASE, architectures=["MistralForCausalLM"], model_type="mistral", sliding_window=None)
QWEN2 = dict(
    BASE, architectures=["Qwen2ForCausalLM"], model_type="qwen2", use_sliding_window=False, sliding_window=64
)
QWEN3 = dict(BASE, architectures=["Qwen3ForCausalLM"], model_type="qwen3", head_dim=32, rms_norm_eps=1e-6)
GEMMA3 = dict(
    {key: value for key, value in BASE.items() if key not in ("hidden_act", "tie_word_embeddings")},
    architectures=["Gemma3ForCausalLM"],
    model_type="gemma3_text",
    hidden_activation="gelu_pytorch_tanh",
    head_dim=32,
    query_pre_attn_scalar=24,
    # narrower than the prompt, so that local layers forget some of it
    sliding_window=16,
)
LLAMA3_SCALING = dict(
    factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=64
)

# rope_theta and rope_scaling are keys of transformers 4, rope_parameters is that of 5
CASES = {
    "llama": dict(LLAMA, rope_theta=10000.0, rope_scaling=None),
    "llama, tied": dict(LLAMA, tie_word_embeddings=True, rope_parameters=dict(rope_type="default", rope_theta=5e3)),
    "llama, biases": dict(LLAMA, attention_bias=True, mlp_bias=True),
    "llama, one head for all": dict(LLAMA, num_key_value_heads=1, head_dim=32),
    "llama, no groups": dict(LLAMA, num_key_value_heads=None),
    "llama, linear rope": dict(LLAMA, rope_theta=1e4, rope_scaling=dict(type="linear", factor=4.0)),
    "llama, llama3 rope": dict(LLAMA, rope_theta=5e3, rope_scaling=dict(rope_type="llama3", **LLAMA3_SCALING)),
    "llama, llama3 rope, tied": dict(
        LLAMA,
        tie_word_embeddings=True,
        rope_parameters=dict(rope_type="llama3", rope_theta=5e3, **LLAMA3_SCALING),
    ),
    "mistral": dict(MISTRAL, rope_theta=1e6),
    "mistral, tied, window": dict(MISTRAL, tie_word_embeddings=True, sliding_window=64, rope_theta=1e4),
    "qwen2": dict(QWEN2, rope_theta=1e6),
    "qwen2, tied": dict(QWEN2, tie_word_embeddings=True, rope_parameters=dict(rope_type="default", rope_theta=1e6)),
    "qwen3": dict(QWEN3, rope_theta=1e6),
    "qwen3, tied, biases": dict(QWEN3, tie_word_embeddings=True, attention_bias=True, rope_theta=1e6),
    "gemma3, tied": dict(GEMMA3, sliding_window_pattern=2, rope_local_base_freq=5e3, rope_theta=2e4),
    "gemma3": dict(
        GEMMA3,
        tie_word_embeddings=False,
        attention_bias=True,
        layer_types=["full_attention", "sliding_attention"],
        rope_parameters=dict(
            full_attention=dict(rope_type="linear", factor=4.0, rope_theta=2e4),
            sliding_attention=dict(rope_type="default", rope_theta=5e3),
        ),
    ),
}

PROMPT = [(37 * i * i + 11 * i + 5) % 256 for i in range(40)]
# a draft tree: row 0 is the prompt's last token
TREE = dict(tokens=[PROMPT[-1], 17, 200, 99, 17, 3], parents=[-1, 0, 0, 1, 2, 3])
GREEDY = 16


def tensor(name: str, shape: tuple[int, ...]) -> torch.Tensor:
    """256 values around 0 (around 1 for a norm), picked by a hash of the name (FNV-1a) and the place (murmur3's mixer)."""
    seed = 2166136261
    for byte in name.encode():
        seed = ((seed ^ byte) * 16777619) & 0xFFFFFFFF
    x = np.arange(int(np.prod(shape)), dtype=np.uint32) * np.uint32(0x9E3779B9) + np.uint32(seed)
    x ^= x >> np.uint32(16)
    x *= np.uint32(0x85EBCA6B)
    x ^= x >> np.uint32(13)
    x *= np.uint32(0xC2B2AE35)
    x ^= x >> np.uint32(16)
    picked = (x >> np.uint32(24)).astype(np.int32) - 128
    values = 1 + (picked >> 1) / 128 if "norm" in name else picked / 512
    return torch.tensor(values, dtype=torch.float32).reshape(shape)


def load(config: dict) -> torch.nn.Module:
    """The model as transformers makes it of this config.json."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "config.json").write_text(json.dumps(config))
        parsed = AutoConfig.from_pretrained(folder)
    model = AutoModelForCausalLM.from_config(parsed, dtype=torch.float32, attn_implementation="eager").eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(tensor(name, tuple(parameter.shape)))
    return model


def main() -> None:
    """One entry a case: its config.json, the five likeliest tokens of each row of the tree, and a greedy text."""
    cases = []
    for name, config in CASES.items():
        model = load(config)

        def last(ids: list[int]) -> torch.Tensor:
            with torch.no_grad():
                return torch.log_softmax(model(torch.tensor([ids]), use_cache=False).logits[0, -1], dim=-1)

        rows, greedy = [], []
        for row in range(len(TREE["tokens"])):
            path = []
            at = row
            while at > 0:
                path.insert(0, TREE["tokens"][at])
                at = TREE["parents"][at]
            top = last(PROMPT + path).topk(5)
            rows.append([[int(i), round(float(p), 6)] for i, p in zip(top.indices, top.values)])
        for _ in range(GREEDY):
            top = last(PROMPT + greedy).topk(2)
            if float(top.values[0] - top.values[1]) < 1e-3:
                break  # a near tie: what follows depends on rounding
            greedy.append(int(top.indices[0]))
        assert len(greedy) >= 6, name
        tensors = {name: list(parameter.shape) for name, parameter in model.named_parameters()}
        cases.append(dict(name=name, config=config, tensors=tensors, top5=rows, greedy=greedy))
    lines = ",\n".join(json.dumps(case) for case in cases)
    text = f'{{"prompt": {json.dumps(PROMPT)},\n"tree": {json.dumps(TREE)},\n"cases": [\n{lines}\n]}}\n'
    (Path(__file__).parents[1] / "golden/families.json").write_text(text)


main()

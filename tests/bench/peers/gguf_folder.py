"""A Hugging Face folder from a GGUF file of the Llama architecture with a byte-level BPE tokenizer (SmolLM2): weights
dequantised, config.json, generation_config.json, tokenizer.json, tokenizer_config.json. It makes the model that
transformers loads where there is no `gguf` package: it needs numpy alone.

usage: python3 gguf_folder.py OUT PART [PART ...] [--dtype float16|float32]
PARTs are the pieces of one GGUF file, in order (one, or what `split -b` made of it).

Dequantised values are exact in float32; float16 rounds them once.
"""
import argparse
import json
import os
import struct
import sys

import numpy as np

SCALARS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
STRING, ARRAY = 8, 9
CONTROL = 3  # token type
# type: (name, values a block, bytes a block)
TYPES = {0: ("F32", 1, 4), 1: ("F16", 1, 2), 2: ("Q4_0", 32, 18), 3: ("Q4_1", 32, 20), 8: ("Q8_0", 32, 34)}
LAYER = {
    "attn_norm": "input_layernorm", "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj", "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj",
}
OUTER = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}


def stop(message):
    sys.exit(f"gguf_folder: {message}")


class Reader:
    """The little-endian values of a GGUF header, one after the other."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, form):
        (value,) = struct.unpack_from(form, self.data, self.at)
        self.at += struct.calcsize(form)
        return value

    def string(self):
        length = self.take("<Q")
        self.at += length
        return bytes(self.data[self.at - length:self.at]).decode("utf-8")

    def value(self, kind):
        if kind == STRING:
            return self.string()
        if kind == ARRAY:
            inner, count = self.take("<I"), self.take("<Q")
            return [self.value(inner) for _ in range(count)]
        return self.take(SCALARS[kind])


def read_gguf(data):
    """Metadata, and tensors by name: (shape with rows first, type, bytes)."""
    reader = Reader(data)
    if bytes(data[:4]) != b"GGUF":
        stop("the parts don't begin like a GGUF file; are they in order?")
    reader.at = 4
    version, tensors, entries = reader.take("<I"), reader.take("<Q"), reader.take("<Q")
    if version not in (2, 3):
        stop(f"GGUF version {version}; expected 2 or 3")
    meta = {}
    for _ in range(entries):
        key = reader.string()
        meta[key] = reader.value(reader.take("<I"))
    infos = []
    for _ in range(tensors):
        name, dims = reader.string(), reader.take("<I")
        shape = [reader.take("<Q") for _ in range(dims)][::-1]
        infos.append((name, shape, reader.take("<I"), reader.take("<Q")))
    alignment = meta.get("general.alignment", 32)
    start = -(-reader.at // alignment) * alignment
    found = {}
    for name, shape, kind, offset in infos:
        if kind not in TYPES:
            stop(f"{name} has the type {kind}; expected one of {', '.join(t[0] for t in TYPES.values())}")
        _, values, size = TYPES[kind]
        length = int(np.prod(shape)) // values * size
        raw = data[start + offset:start + offset + length]
        if len(raw) < length:
            stop(f"the file ends within {name}; are all parts there?")
        found[name] = (shape, kind, raw)
    return meta, found


def dequantise(shape, kind, raw):
    """float32 values. Block layouts: ggml-quants (a half scale, for Q4_1 a half minimum, then the quants)."""
    name, _, size = TYPES[kind]
    if name == "F32":
        return np.frombuffer(raw, "<f4").reshape(shape)
    if name == "F16":
        return np.frombuffer(raw, "<f2").astype(np.float32).reshape(shape)
    blocks = np.frombuffer(raw, np.uint8).reshape(-1, size)
    scale = blocks[:, :2].copy().view("<f2").astype(np.float32)
    if name == "Q8_0":
        return (scale * blocks[:, 2:].view(np.int8).astype(np.float32)).reshape(shape)
    quants = blocks[:, -16:]
    levels = np.concatenate([quants & 15, quants >> 4], axis=1).astype(np.float32)
    if name == "Q4_0":
        return (scale * (levels - 8)).reshape(shape)
    return (scale * levels + blocks[:, 2:4].copy().view("<f2").astype(np.float32)).reshape(shape)


def hugging_face_name(name):
    parts = name.removesuffix(".weight").split(".")
    if parts[0] == "blk" and parts[2] in LAYER:
        return f"model.layers.{parts[1]}.{LAYER[parts[2]]}.weight"
    if parts[0] in OUTER:
        return f"{OUTER[parts[0]]}.weight"
    stop(f"the tensor {name} has no counterpart in a Hugging Face folder")


def rotary_halves(weight, heads):
    """llama.cpp keeps the two values that a rotary angle turns side by side, Hugging Face in the head's two halves."""
    rows, columns = weight.shape
    return weight.reshape(heads, rows // heads // 2, 2, columns).swapaxes(1, 2).reshape(rows, columns)


def write_safetensors(path, tensors, dtype):
    """`tensors`: (name, function that gives the values, shape), written one at a time."""
    code, width = {"float16": ("F16", 2), "float32": ("F32", 4)}[dtype]
    header, at = {"__metadata__": {"format": "pt"}}, 0
    for name, _, shape in tensors:
        length = int(np.prod(shape)) * width
        header[name] = {"dtype": code, "shape": shape, "data_offsets": [at, at + length]}
        at += length
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path + ".part", "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for _, values, _ in tensors:
            file.write(np.ascontiguousarray(values(), dtype=dtype).tobytes())
    os.replace(path + ".part", path)


def config_of(meta, tied, dtype):
    heads = meta["llama.attention.head_count"]
    return {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu", "dtype": dtype,
        "hidden_size": meta["llama.embedding_length"], "intermediate_size": meta["llama.feed_forward_length"],
        "num_hidden_layers": meta["llama.block_count"], "num_attention_heads": heads,
        "num_key_value_heads": meta.get("llama.attention.head_count_kv", heads),
        "head_dim": meta["llama.embedding_length"] // heads,
        "max_position_embeddings": meta["llama.context_length"],
        "rms_norm_eps": float(f"{meta['llama.attention.layer_norm_rms_epsilon']:.6g}"),
        "rope_theta": meta.get("llama.rope.freq_base", 10000.0),
        "rope_scaling": None, "attention_bias": False, "mlp_bias": False, "tie_word_embeddings": tied,
        "vocab_size": len(meta["tokenizer.ggml.tokens"]), **special_ids(meta),
    }


def special_ids(meta):
    keys = {"bos_token_id": "bos", "eos_token_id": "eos", "pad_token_id": "padding"}
    given = {key: meta.get(f"tokenizer.ggml.{name}_token_id") for key, name in keys.items()}
    return {key: value for key, value in given.items() if value is not None}


def tokenizer_of(meta):
    """tokenizer.json of the `smollm` pre-tokenizer: single digits, then GPT-2's byte-level words."""
    if (meta["tokenizer.ggml.model"], meta["tokenizer.ggml.pre"]) != ("gpt2", "smollm"):
        stop(f"the tokenizer is {meta['tokenizer.ggml.model']}/{meta['tokenizer.ggml.pre']}; expected gpt2/smollm")
    tokens, types = meta["tokenizer.ggml.tokens"], meta["tokenizer.ggml.token_type"]
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    added = [{"id": i, "content": tokens[i], **flags} for i, kind in enumerate(types) if kind == CONTROL]
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    return {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": added, "normalizer": None,
        "pre_tokenizer": {
            "type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": True}, byte_level],
        },
        "post_processor": None, "decoder": {**byte_level, "add_prefix_space": True},
        "model": {
            "type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
            "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
            "vocab": {token: i for i, token in enumerate(tokens)}, "merges": meta["tokenizer.ggml.merges"],
        },
    }


def tokenizer_config_of(meta):
    tokens = meta["tokenizer.ggml.tokens"]
    named = {key.removesuffix("_id"): tokens[value] for key, value in special_ids(meta).items()}
    return {
        "tokenizer_class": "PreTrainedTokenizerFast", "add_prefix_space": False, "clean_up_tokenization_spaces": False,
        "chat_template": meta.get("tokenizer.chat_template"), **named,
    }


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("out")
    options.add_argument("parts", nargs="+")
    options.add_argument("--dtype", choices=["float16", "float32"], default="float16")
    given = options.parse_args()
    data = memoryview(b"".join(open(part, "rb").read() for part in given.parts))
    meta, found = read_gguf(data)
    if meta["general.architecture"] != "llama":
        stop(f"the architecture is {meta['general.architecture']}; expected llama")
    config = config_of(meta, "output.weight" not in found, given.dtype)
    heads = {"attn_q": config["num_attention_heads"], "attn_k": config["num_key_value_heads"]}

    def values(name, shape, kind, raw):
        weight = dequantise(shape, kind, raw)
        turned = next((count for part, count in heads.items() if f".{part}." in name), None)
        return weight if turned is None else rotary_halves(weight, turned)

    os.makedirs(given.out, exist_ok=True)
    tensors = [
        (hugging_face_name(name), lambda name=name, rest=rest: values(name, *rest), rest[0])
        for name, rest in found.items()
    ]
    write_safetensors(os.path.join(given.out, "model.safetensors"), tensors, given.dtype)
    files = {
        "config": config, "generation_config": special_ids(meta), "tokenizer": tokenizer_of(meta),
        "tokenizer_config": tokenizer_config_of(meta),
    }
    for name, content in files.items():
        with open(os.path.join(given.out, f"{name}.json"), "w", encoding="utf-8") as file:
            json.dump(content, file, ensure_ascii=False, indent=1 if name != "tokenizer" else None)
    print(f"{given.out}: {len(tensors)} tensors, {given.dtype}")


if __name__ == "__main__":
    main()

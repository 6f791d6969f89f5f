"""
Makes tests/golden/gguf-blocks.json and gguf-tokenizers.json: what the Python packages of llama.cpp, Hugging Face and
SentencePiece compute. Run from the project's root with gguf 0.19.0, numpy, tokenizers 0.23.3 and sentencepiece 0.2.3:
    python tests/gguf/references.py
"""

import base64
import csv
import io
import json

import numpy as np
import sentencepiece
from gguf import GGMLQuantizationType
from gguf.constants import GGML_QUANT_SIZES
from gguf.quants import dequantize
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

random = np.random.default_rng(7)


def halves(values):
    return np.asarray(values, dtype=np.float16).view(np.uint8).reshape(-1, 2)


def blocks(name):
    """Random blocks of a type; scales, which are float16, are given the size that real ones have."""
    size, width = GGML_QUANT_SIZES[GGMLQuantizationType[name]]
    count = {1: 12, 32: 3, 256: 2}[size]
    if name == "F32":
        return random.normal(size=count).astype(np.float32).view(np.uint8)
    if name == "F16":  # among them the smallest, another that is not normal, and zero
        return halves([*random.normal(size=count - 3), 6e-8, -3e-5, 0]).reshape(-1)
    if name == "BF16":
        return (random.normal(size=count).astype(np.float32).view(np.uint32) >> 16).astype(np.uint16).view(np.uint8)
    raw = random.integers(0, 256, (count, width), dtype=np.uint8)
    scales = {"Q6_K": [208], "Q8_0": [0], "Q4_0": [0], "Q5_0": [0]}.get(name, [0, 2])
    for at in scales:
        raw[:, at : at + 2] = halves(random.normal(size=count) * 0.01)
    return raw.reshape(-1)


def block_references():
    types = ["F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q4_K", "Q5_K", "Q6_K"]
    found = {}
    for name in types:
        raw = blocks(name)
        values = dequantize(raw, GGMLQuantizationType[name]).astype(np.float32).reshape(-1)
        found[name] = {
            "type": GGMLQuantizationType[name].value,
            "bytes": base64.b64encode(raw.tobytes()).decode(),
            "values": base64.b64encode(values.tobytes()).decode(),
        }
    return found


TEXTS = [
    "It's 2001, and WE'LL see 12345678 things!! don't DON'T can't",
    "  two spaces,\ttabs\t\tand   three\n\n  lines \r\n end  ",
    "Caf\u00e9 d\u00e9j\u00e0\u2014vu \u00abok\u00bb e\u0301 \u6771\u4eac\u30bf\u30ef\u30fc 2\u00d73 \u00bd \u0663\u0664\u0665 \u01c5x",
    "a_b-c/d\\e HTTPServer2Go (x)[y]{z} 3.14$ <b>+=~|^ `q` /\n//",
    "\U0001f600\U0001f680 \u2581 odd  \u2581\u2581",
    "Genre: a horror movie (1979). Director: Ridley Scott.",
]

CONTRACTIONS = "'s|'t|'re|'ve|'m|'ll|'d"
GPT2 = CONTRACTIONS + r"| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)"
TIKTOKEN = (
    "(?i:" + CONTRACTIONS + r")|[^\r\n\p{L}\p{N}]?\p{L}+|NUMBER| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
TEKKEN = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|"
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|"
    r"\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def split(*patterns):
    parts = [pre_tokenizers.Split(Regex(pattern), "isolated") for pattern in patterns]
    return pre_tokenizers.Sequence([*parts, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


# As the models' own tokenizer.json have them; `default` with the patterns of llama.cpp's llama-vocab.cpp.
PRE_TOKENIZERS = {
    "smollm": pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    ),
    "gpt-2": pre_tokenizers.ByteLevel(add_prefix_space=False),
    "llama-bpe": split(TIKTOKEN.replace("NUMBER", r"\p{N}{1,3}")),
    "qwen2": split(TIKTOKEN.replace("NUMBER", r"\p{N}")),
    "tekken": split(TEKKEN),
    "default": split(r"[\p{P}\$\+<=>\^~\|]+", GPT2, r"\p{N}+", "[0-9][0-9][0-9]"),
}


def movie_lines():
    with open("data-samples/movies.csv", encoding="utf-8") as file:
        return [", ".join(row[1:5]) for row in list(csv.reader(file))[1:200]]


def byte_level_references():
    """One vocabulary, learnt without any splitting, so that it is the pre-tokenizer alone that forbids merges."""
    learner = Tokenizer(models.BPE())
    learner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=640, initial_alphabet=alphabet, show_progress=False)
    learner.train_from_iterator([*movie_lines(), *TEXTS * 4], trainer)
    model = json.loads(learner.to_str())["model"]
    ids = {}
    for name, pre_tokenizer in PRE_TOKENIZERS.items():
        whole = name in ("llama-bpe", "tekken")
        merges = [tuple(merge) for merge in model["merges"]]
        tokenizer = Tokenizer(models.BPE(model["vocab"], merges, ignore_merges=whole))
        tokenizer.pre_tokenizer = pre_tokenizer
        if name == "qwen2":
            tokenizer.normalizer = normalizers.NFC()
        ids[name] = [tokenizer.encode(text).ids for text in TEXTS]
    tokens = sorted(model["vocab"], key=model["vocab"].get)
    return {"tokens": tokens, "merges": [" ".join(merge) for merge in model["merges"]], "ids": ids}


def sentence_piece_references():
    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(movie_lines()),
        model_writer=written,
        model_type="bpe",
        vocab_size=600,
        byte_fallback=True,
        character_coverage=0.99,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        user_defined_symbols=["[INST]"],
        minloglevel=2,
    )
    model = sentencepiece.SentencePieceProcessor(model_proto=written.getvalue())
    kinds = [(model.is_unknown, 2), (model.is_control, 3), (model.is_byte, 6), (model.is_unused, 5)]
    size = model.get_piece_size()
    types = [next((kind for test, kind in kinds if test(i)), 1) for i in range(size)]
    types[model.piece_to_id("[INST]")] = 4
    return {
        "tokens": [model.id_to_piece(i) for i in range(size)],
        "scores": [model.get_score(i) for i in range(size)],
        "types": types,
        "ids": [model.encode(text) for text in TEXTS],
    }


def write(name, content):
    with open(f"tests/golden/{name}", "w", encoding="utf-8") as file:
        json.dump(content, file, ensure_ascii=True)
        file.write("\n")


write("gguf-blocks.json", block_references())
write(
    "gguf-tokenizers.json",
    {"texts": TEXTS, "byteLevel": byte_level_references(), "sentencePiece": sentence_piece_references()},
)

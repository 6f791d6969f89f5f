"""What relaxed decoding does to texts and vectors."""

import numpy as np
import pyarrow.parquet as pq

from features import ENTITIES


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def distances(a: np.ndarray, b: np.ndarray) -> dict[str, float]:
    """Mean 1 - cosine between the rows of `a` and `b`, and between different rows of `a`."""
    a, b = unit(a), unit(b)
    count = len(a)
    total = a.sum(axis=0)
    between = 1 - (total @ total - count) / (count * (count - 1))
    same = float(np.mean(1 - np.sum(a * b, axis=1)))
    return {"toAutoregressive": same, "betweenEntities": float(between), "ratio": same / float(between)}


def steps(file: str) -> dict[str, dict[str, float]]:
    """Of each entity type: emitted tokens a step, nats and relaxed tokens a text."""
    columns = ["entity_type", "emitted_tokens", "decode_steps", "divergence", "relaxed_tokens"]
    table = pq.read_table(file, columns=columns).to_pandas()
    figures = {}
    for entity in ENTITIES:
        rows = table[table["entity_type"] == entity]
        figures[entity] = {
            "texts": len(rows),
            "tokensPerStep": float(rows["emitted_tokens"].sum() / rows["decode_steps"].sum()),
            "divergence": float(rows["divergence"].mean()),
            "relaxedTokens": float(rows["relaxed_tokens"].mean()),
        }
    return figures


def equal_texts(a: str, b: str) -> float:
    """Share of the prompts with the same text in both files."""
    one, other = (pq.read_table(file, columns=["prompt_id", "text"]).to_pandas() for file in (a, b))
    both = one.merge(other, on="prompt_id")
    return float((both["text_x"] == both["text_y"]).mean())

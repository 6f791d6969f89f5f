"""Trains the click model without texts, with autoregressive, relaxed and shuffled ones, and says what relaxing costs.

usage: python tests/bench/downstream/click_model/run.py --events events.parquet --texts FOLDER [--seeds 5]
  --events  of downstream/prompts.js
  --texts   folder with autoregressive.parquet, relaxed.parquet and greedy.parquet of downstream/decode.js
The last line of stdout is JSON.
"""

import argparse
import datetime
import json
import os
import platform
import sys

import numpy as np
import torch
from sklearn.metrics import log_loss

from compare import Ranking, difference, resampled_aucs
from features import ENTITIES, Events, Reduction, read_events, read_vectors
from texts import distances, equal_texts, steps
from train import Dense, predict_test

# an AUC that is less by this much counts as a loss
MARGIN = 0.002
LIKED_FROM = 4


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", required=True)
    parser.add_argument("--texts", required=True)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--components", type=int, default=32, help="principal components of the vectors")
    options = parser.parse_args()
    # the model is small: a second thread mostly waits, for very long where other work shares the machine
    torch.set_num_threads(1)

    files = {mode: os.path.join(options.texts, f"{mode}.parquet") for mode in ("autoregressive", "greedy", "relaxed")}
    vectors = {mode: read_vectors(files[mode]) for mode in ("autoregressive", "relaxed")}
    known = {entity: set.intersection(*(set(v[entity]) for v in vectors.values())) for entity in ENTITIES}
    events = read_events(options.events, known, LIKED_FROM)
    matrices = {
        mode: {entity: np.stack([found[entity][key] for key in events.ids[entity]]) for entity in ENTITIES}
        for mode, found in vectors.items()
    }
    variants = text_features(matrices, options.components)
    test = events.rows("test")
    label, new_item = events.label[test], events.new_item[test]
    runs = {name: [] for name in ("none", *variants, "shuffled")}
    for seed in range(options.seeds):
        runs["none"].append(predict_test(events, {}, seed))
        for name, dense in variants.items():
            runs[name].append(predict_test(events, dense, seed))
        runs["shuffled"].append(predict_test(events, shuffled(variants["autoregressive"], seed), seed))

    on_new = {name: [run[new_item] for run in seeds] for name, seeds in runs.items()}
    figures = {
        **about(events),
        **click_figures(label, runs),
        "newItems": {"rows": int(new_item.sum()), **click_figures(label[new_item], on_new)},
        "texts": text_figures(files, matrices),
    }
    print(json.dumps(figures))


def text_features(matrices: dict[str, Dense], components: int) -> dict[str, Dense]:
    """Both modes' vectors in the components of the autoregressive ones."""
    reductions = {entity: Reduction(matrices["autoregressive"][entity], components) for entity in ENTITIES}
    return {
        mode: {entity: reductions[entity](matrix) for entity, matrix in found.items()}
        for mode, found in matrices.items()
    }


def shuffled(dense: Dense, seed: int) -> Dense:
    """Every user and item with the text of another one."""
    random = np.random.default_rng(seed)
    return {entity: matrix[random.permutation(len(matrix))] for entity, matrix in dense.items()}


def click_figures(label: np.ndarray, runs: dict[str, list[np.ndarray]]) -> dict:
    every = np.ones(len(label))
    by_seed = {name: [Ranking(label, run).auc(every) for run in seeds] for name, seeds in runs.items()}
    mean = {name: float(np.mean(aucs)) for name, aucs in by_seed.items()}
    aucs = resampled_aucs(label, runs)
    pairs = [("autoregressive", "none"), ("shuffled", "autoregressive"), ("relaxed", "autoregressive")]
    differences = {f"{name} - {base}": difference(aucs, mean, name, base) for name, base in pairs}
    return {
        "auc": mean,
        "aucBySeed": by_seed,
        "logLoss": {name: float(np.mean([log_loss(label, run) for run in seeds])) for name, seeds in runs.items()},
        "differences": differences,
        "statement": statement(*differences.values()),
    }


def statement(gain: dict[str, float], control: dict[str, float], cost: dict[str, float]) -> str:
    if gain["low"] <= 0:
        return "the data set is too weak: autoregressive texts don't beat none"
    if control["high"] >= 0:
        return "the data set is too weak: shuffled texts don't lose"
    if cost["low"] > -MARGIN:
        return f"relaxed is non-inferior to autoregressive within {MARGIN} AUC"
    if cost["high"] < 0:
        return f"relaxed loses {-cost['difference']:.4f} AUC"
    return f"not decided: relaxed - autoregressive lies between {cost['low']:.4f} and {cost['high']:.4f} AUC"


def text_figures(files: dict[str, str], matrices: dict[str, Dense]) -> dict:
    both = {entity: distances(matrices["autoregressive"][entity], matrices["relaxed"][entity]) for entity in ENTITIES}
    modes = [mode for mode, file in files.items() if os.path.exists(file)]
    return {
        "equalTexts": {mode: equal_texts(files["autoregressive"], files[mode]) for mode in modes[1:]},
        "steps": {mode: steps(files[mode]) for mode in modes},
        "distance": both,
    }


def about(events: Events) -> dict:
    return {
        "machine": f"{os.cpu_count()} x {platform.machine()}",
        "date": datetime.date.today().isoformat(),
        "command": " ".join(sys.argv),
        "users": len(events.ids["user"]),
        "items": len(events.ids["item"]),
        "rows": {part: len(events.rows(part)) for part in ("train", "valid", "test")},
    }


if __name__ == "__main__":
    main()

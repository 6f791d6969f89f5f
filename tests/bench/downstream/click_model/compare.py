"""AUC with weights of rows, and the paired bootstrap of AUC differences."""

import numpy as np

RESAMPLES = 2000


class Ranking:
    """Rows by predicted probability: the AUC for any weights of the rows. Equal probabilities count half."""

    def __init__(self, label: np.ndarray, probability: np.ndarray) -> None:
        self.order = np.argsort(probability, kind="stable")
        self.positive = label[self.order] > 0.5
        ranked = probability[self.order]
        self.starts = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]])

    def auc(self, weights: np.ndarray) -> float:
        weights = weights[self.order]
        # sums over groups of equal probability
        positive = np.add.reduceat(np.where(self.positive, weights, 0), self.starts)
        negative = np.add.reduceat(np.where(self.positive, 0, weights), self.starts)
        below = np.cumsum(negative) - negative / 2
        return float(positive @ below / (positive.sum() * negative.sum()))


def resampled_aucs(label: np.ndarray, runs: dict[str, list[np.ndarray]]) -> dict[str, np.ndarray]:
    """AUC of each variant, mean over its seeds, on the same resamples of the test rows for all: a variant's array."""
    rankings = {name: [Ranking(label, run) for run in seeds] for name, seeds in runs.items()}
    random = np.random.default_rng(0)
    aucs = {name: np.empty(RESAMPLES) for name in runs}
    for i in range(RESAMPLES):
        weights = np.bincount(random.integers(len(label), size=len(label)), minlength=len(label)).astype(float)
        for name, seeds in rankings.items():
            aucs[name][i] = np.mean([ranking.auc(weights) for ranking in seeds])
    return aucs


def difference(aucs: dict[str, np.ndarray], mean: dict[str, float], name: str, base: str) -> dict[str, float]:
    """AUC of `name` less that of `base`, with the bootstrap's 95% interval."""
    low, high = np.quantile(aucs[name] - aucs[base], [0.025, 0.975])
    return {"difference": mean[name] - mean[base], "low": float(low), "high": float(high)}

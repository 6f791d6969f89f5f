"""DeepFM (Guo et al. 2017, as in torch-rechub) on user, item and, if there are any, the vectors of their texts."""

import copy
import sys

import numpy as np
import torch
from sklearn.metrics import log_loss
from torch_rechub.basic.features import DenseFeature, SparseFeature
from torch_rechub.basic.initializers import RandomNormal
from torch_rechub.models.ranking import DeepFM

from features import Events

# chosen by the log loss of the valid rows without texts, so that the baseline is at its best
EMBEDDING = 16
START = RandomNormal(0, 0.01)
MLP = {"dims": [128, 64], "dropout": 0.5, "activation": "relu"}
OPTIMIZER = {"lr": 1e-3, "weight_decay": 3e-4}
BATCH = 512
MAX_EPOCHS = 60
PATIENCE = 5

# user -> matrix with a row for each user, item -> the same
Dense = dict[str, np.ndarray]


def predict_test(events: Events, dense: Dense, seed: int) -> np.ndarray:
    """Trains until the log loss of the valid rows no longer falls; the best epoch's probabilities of the test rows."""
    torch.manual_seed(seed)
    model = build(events, dense)
    tables = {f"{entity}_text": torch.from_numpy(matrix) for entity, matrix in dense.items()}
    ids = {entity: torch.from_numpy(getattr(events, entity)) for entity in ("user", "item")}
    labels = torch.from_numpy(events.label)

    def inputs(rows: torch.Tensor) -> dict[str, torch.Tensor]:
        chosen = {entity: places[rows] for entity, places in ids.items()}
        return {**chosen, **{name: table[chosen[name.removesuffix("_text")]] for name, table in tables.items()}}

    def predict(part: str) -> np.ndarray:
        model.eval()
        with torch.no_grad():
            return model(inputs(torch.from_numpy(events.rows(part)))).numpy().astype(np.float64)

    train = torch.from_numpy(events.rows("train"))
    valid = events.label[events.rows("valid")]
    optimizer = torch.optim.Adam(model.parameters(), **OPTIMIZER)
    order = torch.Generator().manual_seed(seed)
    best, best_state, waited, epoch = np.inf, model.state_dict(), 0, 0
    while waited < PATIENCE and epoch < MAX_EPOCHS:
        model.train()
        for rows in train[torch.randperm(len(train), generator=order)].split(BATCH):
            loss = torch.nn.functional.binary_cross_entropy(model(inputs(rows)), labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        loss = log_loss(valid, predict("valid"))
        epoch, waited = epoch + 1, waited + 1
        if loss < best:
            best, best_state, waited = loss, copy.deepcopy(model.state_dict()), 0
    model.load_state_dict(best_state)
    print(f"seed {seed}: best log loss of valid rows {best:.4f} in epoch {epoch - waited}", file=sys.stderr)
    return predict("test")


def build(events: Events, dense: Dense) -> DeepFM:
    """The factorisation machine sees ids alone, the deep part the texts as well."""
    sparse = [
        SparseFeature(entity, len(events.ids[entity]), EMBEDDING, initializer=START) for entity in ("user", "item")
    ]
    texts = [DenseFeature(f"{entity}_text", matrix.shape[1]) for entity, matrix in dense.items()]
    return DeepFM(sparse + texts, sparse, MLP)

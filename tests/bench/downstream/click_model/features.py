"""Events and text vectors as arrays."""

from dataclasses import dataclass

import numpy as np
import pyarrow.parquet as pq
from sklearn.decomposition import PCA

ENTITIES = ("user", "item")


@dataclass
class Events:
    """Rated events, in the order of the file; `user` and `item` are places in `ids`."""

    ids: dict[str, list[str]]
    user: np.ndarray
    item: np.ndarray
    label: np.ndarray
    # whether no event of the item is in the part `train`
    new_item: np.ndarray
    part: np.ndarray

    def rows(self, part: str) -> np.ndarray:
        return np.flatnonzero(self.part == part)


def read_vectors(file: str) -> dict[str, dict[str, np.ndarray]]:
    """Entity type -> id -> vector of the text, for texts that have one."""
    table = pq.read_table(file, columns=["entity_type", "entity_id", "vector"]).to_pydict()
    vectors = {entity: {} for entity in ENTITIES}
    for entity, key, vector in zip(table["entity_type"], table["entity_id"], table["vector"]):
        if vector is not None:
            vectors[entity][key] = np.array(vector, dtype=np.float32)
    return vectors


def read_events(file: str, known: dict[str, set[str]], liked_from: float) -> Events:
    """The events behind the history whose user and item are both known; the label is whether the rating is a like."""
    table = pq.read_table(file).to_pandas()
    for entity in ENTITIES:
        table[entity] = table[f"{entity}_id"].astype(str)
        table = table[table[entity].isin(known[entity])]
    table = table[table["part"].isin(["train", "valid", "test"])]
    ids = {entity: sorted(known[entity], key=int) for entity in ENTITIES}
    place = {entity: {key: i for i, key in enumerate(ids[entity])} for entity in ENTITIES}
    return Events(
        ids=ids,
        user=table["user"].map(place["user"]).to_numpy(),
        item=table["item"].map(place["item"]).to_numpy(),
        label=(table["rating"] >= liked_from).to_numpy().astype(np.float32),
        new_item=table["new_item"].to_numpy(),
        part=table["part"].to_numpy().astype(str),
    )


class Reduction:
    """Principal components of one entity type's vectors, fitted without labels and applied to all variants alike."""

    def __init__(self, vectors: np.ndarray, components: int) -> None:
        self.pca = PCA(components, random_state=0).fit(vectors)
        # one scale for all components: what differs little between texts stays small
        self.scale = np.sqrt(self.pca.explained_variance_.mean())

    def __call__(self, vectors: np.ndarray) -> np.ndarray:
        return (self.pca.transform(vectors) / self.scale).astype(np.float32)

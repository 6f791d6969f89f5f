"""Samples texts for the benchmark's pools: several for each prompt, in large batches, on a GPU where there is one.

usage: python3 transformers_texts.py --model FOLDER --prompts FILE --out FILE
         [--texts N | --texts item=N,user=N] [--batch N] [--end ID[,ID]] [--done FILE ...] [--limit N]
FOLDER is in Hugging Face format. The prompts are JSON lines of id (framework:entity type:entity) and ids; the file
may end in .gz. OUT gets a JSON line of id, sample (from 0) and ids (end token left out) for each text; texts that
ran into the limit of new tokens are left out of the pools' data, with `"cut": true` in place of ids.

It can be cut off and started again: what stands in OUT, or in the files of --done, is not made again. Each batch has
a seed of its own, from the texts in it.
"""
import argparse
import gzip
import hashlib
import json
import os
import time

import torch
from causal_lm import device_of, free_memory, generate, load, out_of_memory, say


def options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--prompts", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--done", nargs="*", default=[])
    parser.add_argument("--texts", default="6")
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--max-new-tokens", type=int, default=160)
    parser.add_argument("--temperature", type=float, default=0.6)
    parser.add_argument("--end", default="2")
    parser.add_argument("--limit", type=int, help="at most so many prompts, for a try")
    return parser.parse_args()


def read_prompts(path):
    with (gzip.open if path.endswith(".gz") else open)(path, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def texts_of(prompt_id, texts):
    """Texts wanted of a prompt: one number for all, or one an entity type."""
    if texts.isdigit():
        return int(texts)
    wanted = dict(part.split("=") for part in texts.split(","))
    return int(wanted.get(prompt_id.split(":")[1], 0))


def finished(paths):
    """(id, sample) of the complete lines."""
    found = set()
    for path in filter(os.path.exists, paths):
        with open(path, encoding="utf-8") as file:
            rows = (json.loads(line) for line in file if line.endswith("\n"))
            found.update((row["id"], row["sample"]) for row in rows)
    return found


def drop_broken_line(path):
    """A run that was cut off within a line leaves its beginning: later lines must not be appended to it."""
    if os.path.exists(path):
        with open(path, "rb+") as file:
            file.truncate(file.read().rfind(b"\n") + 1)


def seed_of(batch):
    names = ",".join(f"{prompt['id']}/{sample}" for prompt, sample in batch)
    return int.from_bytes(hashlib.sha256(names.encode()).digest()[:6], "big")


def sample_batch(model, batch, given, ends):
    torch.manual_seed(seed_of(batch))
    outputs, _ = generate(
        model, [prompt["ids"] for prompt, _ in batch], ends, given.max_new_tokens,
        do_sample=True, temperature=given.temperature, top_k=0, top_p=1.0,
    )
    for (prompt, sample), ids in zip(batch, outputs):
        complete = {"ids": ids[:-1]} if ids[-1] in ends else {"cut": True}
        yield {"id": prompt["id"], "sample": sample, **complete}


def main():
    given = options()
    ends = [int(end) for end in given.end.split(",")]
    prompts = read_prompts(given.prompts)[:given.limit]
    drop_broken_line(given.out)
    done = finished([given.out, *given.done])
    wanted = [(prompt, sample) for prompt in prompts for sample in range(texts_of(prompt["id"], given.texts))]
    work = [(prompt, sample) for prompt, sample in wanted if (prompt["id"], sample) not in done]
    # a sample of every prompt before the next of any: whenever it stops, the pools are even; like lengths together
    work.sort(key=lambda pair: (pair[1], pair[0]["id"].split(":")[1], len(pair[0]["ids"]), pair[0]["id"]))
    model = load(given.model)
    say(f"{device_of(model)}: {len(work)} of {len(wanted)} texts to make")
    size, at, started = given.batch, 0, time.time()
    with open(given.out, "a", encoding="utf-8") as out:
        while at < len(work):
            try:
                rows = list(sample_batch(model, work[at:at + size], given, ends))
            except RuntimeError as error:
                if not out_of_memory(error) or size == 1:
                    raise
                size //= 2
                free_memory()
                say(f"out of memory: batches of {size} from now on")
                continue
            out.writelines(json.dumps(row) + "\n" for row in rows)
            out.flush()
            at += len(rows)
            say(f"{at} of {len(work)} texts, {time.time() - started:.0f} s")


if __name__ == "__main__":
    main()

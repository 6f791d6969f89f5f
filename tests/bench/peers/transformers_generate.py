"""transformers' `generate` as a peer of the benchmark: greedy, batches of fixed members, prompts of like length together.

usage: python3 transformers_generate.py MODEL-FOLDER
Speaks JSON lines (protocol.ts): first a greeting, then an answer to each line of stdin. A batch's prefill lasts until
its first token is there, so that token counts as decoded without its time: in the peer's favour.
"""
import json
import sys


def answer(message):
    print(json.dumps(message), flush=True)


try:
    import transformers
    from causal_lm import device_of, generate, load, now, out_of_memory
except ImportError as error:
    answer({"error": str(error)})
    sys.exit(1)


def run(model, request):
    prompts, batch = request["prompts"], request["setting"]["concurrency"]
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    outputs = [[] for _ in prompts]
    prefill, started = 0.0, now(model)
    for first in range(0, len(order), batch):
        members = order[first:first + batch]
        texts, until_first = generate(
            model, [prompts[i] for i in members], request["endTokens"], request["maxNewTokens"], do_sample=False,
        )
        prefill += until_first
        for i, text in zip(members, texts):
            outputs[i] = text
    steps = sum(map(len, outputs))
    return {"outputs": outputs, "wall": now(model) - started, "prefill": prefill, "decodeSteps": steps}


def main():
    model = load(sys.argv[1])
    precision = str(model.dtype).removeprefix("torch.")
    about = f"transformers {transformers.__version__}, {precision}, {device_of(model)}"
    answer({"about": about, "lookup": False})
    for line in sys.stdin:
        try:
            answer(run(model, json.loads(line)))
        except RuntimeError as error:
            if not out_of_memory(error):
                raise
            answer({"outOfMemory": True})


if __name__ == "__main__":
    try:
        main()
    except Exception as error:
        answer({"error": f"{type(error).__name__}: {error}"})
        sys.exit(1)

"""A causal language model of transformers over batches of token ids: what the scripts beside it share."""
import sys
import time

import torch
from transformers import AutoModelForCausalLM, StoppingCriteria
from transformers.utils import logging

logging.set_verbosity_error()
logging.disable_progress_bar()


def load(folder):
    """The model in evaluation mode: float16 on a CUDA device where there is one, else float32 on the CPU."""
    cuda = torch.cuda.is_available()
    dtype = torch.float16 if cuda else torch.float32
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, local_files_only=True)
    return model.to("cuda" if cuda else "cpu").eval()


def device_of(model):
    return torch.cuda.get_device_name() if model.device.type == "cuda" else f"cpu, {torch.get_num_threads()} threads"


class FirstTokenTime(StoppingCriteria):
    """Never stops anything: notes when the first token was there, so that prefill and decoding can be told apart."""

    def __init__(self, model):
        self.model, self.at = model, None

    def __call__(self, input_ids, scores, **kwargs):
        if self.at is None:
            self.at = now(self.model)
        return torch.zeros(len(input_ids), dtype=torch.bool, device=input_ids.device)


def now(model):
    """Milliseconds, after all that was sent to the device is done."""
    if model.device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() * 1000


@torch.inference_mode()
def generate(model, prompts, end_tokens, max_new_tokens, **options):
    """Continues a batch of prompts (lists of ids), padded on the left.

    Returns the outputs, each up to and including its end token, and the milliseconds until the first token was there.
    """
    longest = max(map(len, prompts))
    pad = end_tokens[0]
    ids = torch.tensor([[pad] * (longest - len(prompt)) + prompt for prompt in prompts])
    mask = torch.tensor([[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts])
    started = now(model)
    first = FirstTokenTime(model)
    result = model.generate(
        input_ids=ids.to(model.device), attention_mask=mask.to(model.device), max_new_tokens=max_new_tokens,
        eos_token_id=end_tokens, pad_token_id=pad, stopping_criteria=[first], **options,
    )
    return [until_end(row, end_tokens) for row in result[:, longest:].tolist()], first.at - started


def until_end(row, end_tokens):
    ends = [i for i, token in enumerate(row) if token in end_tokens]
    return row[:ends[0] + 1] if ends else row


def out_of_memory(error):
    return isinstance(error, torch.OutOfMemoryError)


def free_memory():
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def say(text):
    print(text, file=sys.stderr, flush=True)

"""Turns an instruction into a vector: hashed words and word pairs, each with a learned vector, no downloads, no tokenizer.

A word that never occurred in training has a vector near zero and so changes next to nothing. Start at `InstructionEncoder`.
"""

from __future__ import annotations

import re
import zlib
from functools import lru_cache

import torch
from torch import Tensor, nn

LONGEST_INSTRUCTION = 24  # words that are read; the rest is cut off
EMPTY = 0  # index of "no word"; its vector is zero and stays zero


@lru_cache(maxsize=4096)
def word_indices(instruction: str, buckets: int) -> tuple[int, ...]:
    """Return the buckets of the words and of the pairs of neighbouring words, in [1, buckets).

    Args:
        instruction: Any text; case and punctuation do not count.
        buckets: Size of the table.

    Returns:
        At most 2 * LONGEST_INSTRUCTION - 1 indices; CRC-32 gives the same ones on every machine.
    """
    words = re.findall(r"[a-z0-9]+", instruction.lower())[:LONGEST_INSTRUCTION]
    pairs = [f"{first} {second}" for first, second in zip(words, words[1:], strict=False)]
    return tuple(1 + zlib.crc32(entry.encode()) % (buckets - 1) for entry in [*words, *pairs])


def encode_instructions(instructions: list[str], buckets: int) -> Tensor:
    """Return (B, L) int64 buckets, one row per instruction, filled up with EMPTY; L is the longest row, at least 1."""
    rows = [word_indices(instruction, buckets) for instruction in instructions]
    indices = torch.full((len(rows), max(1, *(len(row) for row in rows))), EMPTY, dtype=torch.int64)
    for place, row in zip(indices, rows, strict=True):
        place[: len(row)] = torch.tensor(row, dtype=torch.int64)
    return indices


class InstructionEncoder(nn.Module):
    """Sum of the vectors of words and word pairs, normalised, through one hidden layer.

    Args:
        buckets: Size of the hash table of words.
        width: Size of the vectors and of the result.
        word_dropout: Share of words and pairs left out in training, so that no single one decides.
    """

    def __init__(self, buckets: int, width: int, word_dropout: float) -> None:
        super().__init__()
        self.word_dropout = word_dropout
        self.vectors = nn.Embedding(buckets, width, padding_idx=EMPTY)
        nn.init.normal_(self.vectors.weight, std=0.02)
        with torch.no_grad():
            self.vectors.weight[EMPTY] = 0.0
        self.layers = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, indices: Tensor) -> Tensor:
        """Return (B, width) for (B, L) indices of `encode_instructions`."""
        if self.training and self.word_dropout > 0.0:
            indices = indices * (torch.rand(indices.shape) >= self.word_dropout)
        return self.layers(self.vectors(indices).sum(dim=1))

"""Skip-gram embeddings of words (Mikolov et al. 2013), by gensim, kept in the cache of ibmon."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

import ibmon
from ibmon import data

WINDOW, NEGATIVE, PASSES = 5, 5, {True: 1, False: 10}
"""Words to each side, negative samples, and passes over a large corpus and over one of less than a million words."""


def skip_gram(texts: Sequence[Sequence[str]], vocabulary: Sequence[str], dimensions: int, seed: int) -> Tensor:
    """The vectors ``(words, dimensions)`` of a vocabulary, trained on the texts; zero for words that are not in them.

    Words outside the vocabulary are left out of the texts beforehand. The same arguments give the same vectors. Raises IbmonError
    without gensim.
    """
    known = set(vocabulary)
    kept = [[word for word in text if word in known] for text in texts]
    said = "\n".join([f"1 {dimensions} {seed} {WINDOW} {NEGATIVE} {PASSES}", *vocabulary, "", *map(" ".join, kept)])
    path = data.cache_folder() / "embeddings" / f"{hashlib.sha256(said.encode()).hexdigest()[:32]}.safetensors"
    if path.exists():
        return load_file(path)["vectors"]
    vectors = _trained(kept, vocabulary, dimensions, seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(f".{os.getpid()}.part")
    save_file({"vectors": vectors}, part)
    part.replace(path)
    return vectors


def _trained(texts: Sequence[Sequence[str]], vocabulary: Sequence[str], dimensions: int, seed: int) -> Tensor:
    try:
        from gensim.models import Word2Vec
    except ImportError as error:
        raise ibmon.IbmonError(
            "Embeddings of words are trained by gensim, which is not installed: pip install 'ibmon[text]'"
        ) from error
    model = Word2Vec(
        list(texts),
        vector_size=dimensions,
        window=WINDOW,
        negative=NEGATIVE,
        sg=1,
        min_count=1,
        epochs=PASSES[sum(map(len, texts)) > 1_000_000],
        workers=1,  # several would not give the same vectors twice
        seed=seed,
    )
    vectors = torch.zeros(len(vocabulary), dimensions)
    for row, word in enumerate(vocabulary):
        if word in model.wv:
            vectors[row] = torch.from_numpy(model.wv[word].copy())
    return vectors

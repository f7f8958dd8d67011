"""Damages recorded files of Keras at random and loads them: `python -m support.keras_fuzzer FIRST COUNT`, in `tests`.

Each must load, or raise ValueError, OSError or TypeError, soon and without much memory. Prints the seed that failed.
"""

from __future__ import annotations

import copy
import json
import math
import random
import resource
import sys
import tempfile
import time
import traceback
import tracemalloc
from pathlib import Path
from typing import Any

import h5py

from conv1d_codegen import load

from .keras_files import (
    NAMES,
    WEIGHTS,
    WEIGHTS_ALONE,
    config,
    content,
    hdf5_edited,
    parts,
    with_config,
    with_weights,
    written,
    zipped,
)

SECONDS = 2.0
MEMORY = 64 << 20  # bytes; the files have some 60 000
ADDRESS_SPACE = 1 << 30  # beside what the process has
DEEP = "lists in lists"  # stands for them, as JSON's writer can't write many
ODD: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 3, 10**6, 10**12, 2**63, 2**64, -(2**70), 1.5, 1e308, math.inf, math.nan, "", "x"),
    *([], {}, [None], [[[]]], [0, 0], [None, None, 4], {"class_name": "x"}, {"class_name": "__tuple__"}, "input_layer"),
    *({"class_name": "Lambda", "config": {}}, {"class_name": "__numpy__", "config": {"value": [1]}}, "a" * 70000),
    *("channels_first", "causal", "float16", "bfloat16", {"class_name": "PReLU", "config": {}}, ["x", 0, 0], "é\ud800"),
)


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Every place in a config: a dict or list, and a key of it."""
    found, waiting = [], [value]
    while waiting:
        item = waiting.pop()
        for key in item if isinstance(item, dict) else range(len(item)):
            found.append((item, key))
            if isinstance(item[key], dict | list):
                waiting.append(item[key])
    return found


def edited(value: Any, rng: random.Random) -> Any:
    """A config after some edits."""
    for _ in range(rng.choice([1, 1, 1, 2, 5])):
        places = _places(value)
        if not places:
            return value
        (owner, key), (other, name) = rng.choice(places), rng.choice(places)
        kind = rng.choice(["odd", "odd", "odd", "delete", "copy", "twice", "deep", "rename"])
        if kind == "odd":
            owner[key] = copy.deepcopy(rng.choice(ODD))
        elif kind == "delete":
            del owner[key]
        elif kind == "copy":
            owner[key] = copy.deepcopy(other[name])
        elif kind == "twice" and isinstance(owner, list):
            owner.insert(key, copy.deepcopy(owner[key]))
        elif kind == "deep":
            owner[key] = DEEP
        elif isinstance(owner, dict):
            owner[rng.choice([*owner, "axis", "weights"])] = owner.pop(key)
    return value


def damaged(data: bytes, rng: random.Random) -> bytes:
    """Bytes that are cut off, changed or doubled."""
    kind = rng.choice(["cut", "bits", "bits", "words", "words", "middle"])
    out = bytearray(data)
    if kind == "cut":
        return data[: rng.randrange(len(data))]
    if kind == "middle":
        begin = rng.randrange(len(data))
        del out[begin : begin + rng.choice([1, 8, 1000])]
        return bytes(out)
    for _ in range(rng.choice([1, 3, 30, 300])):
        at = rng.randrange(len(data))
        if kind == "bits":
            out[at] ^= 1 << rng.randrange(8)
        else:
            width = rng.choice([1, 2, 4, 8])
            word = rng.choice([0, 1, 2 ** (8 * width) - 1, 2 ** (8 * width - 1), 2 ** (8 * width - 2)])
            out[at : at + width] = word.to_bytes(width, "little")
    return bytes(out[: len(data)])


def _change_dataset(file: Any, rng: random.Random) -> None:
    names: list[str] = []
    file.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
    name = rng.choice(names)
    shape, dtype = file[name].shape, file[name].dtype
    del file[name]
    kind = rng.choice(["huge", "empty", "chunks", "gzip", "soft", "loop", "group", "none", "type", "rank", "text"])
    if kind == "huge":
        file.create_dataset(name, (2**30, *shape), dtype, chunks=rng.choice([None, (1024, *shape)]))
    elif kind == "empty":
        file.create_dataset(name, shape, dtype)
    elif kind in ("chunks", "gzip"):
        file.create_dataset(name, data=[1.0] * 1000, chunks=(1000,), compression=None if kind == "chunks" else "gzip")
    elif kind == "soft":
        file[name] = rng.choice([h5py.SoftLink(f"/{name}"), h5py.ExternalLink("/etc/passwd", "/x")])
    elif kind == "loop":
        file[name] = file["/"]
    elif kind == "group":
        file.create_group(name)
    elif kind == "type":
        file.create_dataset(name, shape, rng.choice(["i8", "u2", "S5", "c8", "f2", "V2", "bool"]))
    elif kind == "rank":
        file.create_dataset(name, data=[[1.0]])
    elif kind == "text":
        file[name] = "text"


def mutated(name: str, rng: random.Random) -> bytes:
    """A recorded file with something wrong."""
    data = content(name)
    if name in WEIGHTS_ALONE:
        return damaged(data, rng) if rng.random() < 0.5 else hdf5_edited(data, lambda file: _change_dataset(file, rng))
    if name.endswith(".json"):
        return json.dumps(edited(json.loads(data), rng)).encode() if rng.random() < 0.8 else damaged(data, rng)
    kind = rng.choice(["bytes", "config", "config", "weights", "weights", "datasets"])
    keras = name.endswith(".keras")
    if kind == "config":
        depth = rng.choice([3, 200, 300, 100_000])
        text = json.dumps(edited(config(data), rng)).replace(f'"{DEEP}"', "[" * depth + "]" * depth)
        return with_config(data, text)
    if kind == "weights" and keras:
        inner = parts(data)
        return zipped({**inner, WEIGHTS: damaged(inner[WEIGHTS], rng)})
    if kind == "datasets":
        return (with_weights if keras else hdf5_edited)(data, lambda file: _change_dataset(file, rng))
    return damaged(data, rng)


def run(seed: int, folder: Path) -> str:
    """What became of one file: "loaded", or the name of the error. Raises AssertionError where it took too much."""
    rng = random.Random(seed)
    name = rng.choice(NAMES + WEIGHTS_ALONE)
    weights = None
    if name in WEIGHTS_ALONE:  # of which one file is damaged, or the other
        beside = f"{name.split('.')[0]}.json"
        wrong = rng.choice([name, beside])
        path, weights = (
            written(folder / each, mutated(each, rng) if each == wrong else content(each)) for each in (beside, name)
        )
    else:
        path = written(folder / name, mutated(name, rng))
    tracemalloc.reset_peak()
    before, begin = tracemalloc.get_traced_memory()[0], time.process_time()
    try:
        load(path, weights=weights)
        outcome = "loaded"
    except (ValueError, OSError, TypeError) as error:
        outcome = type(error).__name__
    seconds, peak = time.process_time() - begin, tracemalloc.get_traced_memory()[1] - before
    assert seconds < SECONDS, f"{name} took {seconds:.1f} s"
    assert peak < MEMORY, f"{name} of {path.stat().st_size} bytes took {peak} bytes"
    return outcome


def main(first: int, count: int) -> int:
    """Runs the seeds; the number of those that failed."""
    with tempfile.TemporaryDirectory() as folder:
        for name in NAMES[:1]:
            load(written(Path(folder, name), content(name)))
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + ADDRESS_SPACE, resource.RLIM_INFINITY))
        tracemalloc.start()
        outcomes: dict[str, int] = {}
        failed = 0
        for seed in range(first, first + count):
            print("seed", seed, end="\r", flush=True)  # what is left on the screen if the process dies
            try:
                outcome = run(seed, Path(folder))
            except Exception:
                print(f"seed {seed} FAILED\n{traceback.format_exc()}")
                outcome, failed = "failed", failed + 1
            outcomes[outcome] = outcomes.get(outcome, 0) + 1
    print(f"{count} files from seed {first}: {outcomes}")
    return failed


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2])) > 0)

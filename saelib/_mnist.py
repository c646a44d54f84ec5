"""Where MNIST's files are: on this machine, or downloaded, whole and checked, into the user's cache."""

import os
from pathlib import Path

from ._checks import one_of

FILES = {
    "train": ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"),
    "test": ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"),
}
SHA256 = {
    "train-images-idx3-ubyte.gz": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    "train-labels-idx1-ubyte.gz": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    "t10k-images-idx3-ubyte.gz": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    "t10k-labels-idx1-ubyte.gz": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
}
MIRRORS = (
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
)
PATIENCE = 4.5  # seconds a mirror may take to answer, so that two dead ones are given up within 10 s
PIECE = 2**14  # bytes that have to come within that time
LARGEST = 2**24  # bytes; the largest of the files has fewer than 10 million
HOW_TO_GET_IT = "run `make data` with a connection to the internet, or put its four files into $SAELIB_DATA/mnist"


def find_mnist(split="train", *, download=False):
    """Return the paths of the images and the labels of MNIST's ``split`` on this machine.

    Takes and raises what `load_mnist` does, but reads no more of a file than its sha256 and does not download unasked.
    """
    return tuple(_find_file(name, download) for name in FILES[one_of(split, "split", tuple(FILES))])


def _find_file(name, download):
    import pooch

    own = os.environ.get("SAELIB_DATA")
    cache = Path(pooch.os_cache("saelib")).expanduser() / "mnist"
    folders = [Path(own).expanduser() / "mnist", cache] if own else [cache]
    for path in (folder / name for folder in folders):
        if path.is_file():
            return _check_sha256(path)
    if download:
        return _download(name, cache)
    raise FileNotFoundError(
        f"MNIST is not on this machine (no {name} in {' or '.join(map(str, folders))}): {HOW_TO_GET_IT}"
    )


def _check_sha256(path):
    import hashlib

    with open(path, "rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != SHA256[path.name]:
            raise ValueError(f"{path} is not MNIST's original file (its sha256 differs): delete it and try again")
    return path


def _download(name, folder):
    """Fetch one file from the first mirror that has it; pooch gives a file its name only after checking its sha256."""
    import pooch

    log, failures = pooch.get_logger(), []
    level = log.level
    log.setLevel("WARNING")  # or it would announce addresses and folders, in notebooks too
    try:
        for mirror in MIRRORS:
            try:
                return Path(pooch.retrieve(mirror + name, SHA256[name], name, folder, downloader=_fetch))
            except (OSError, ValueError) as error:
                failures.append(f"{mirror} {_reason(error)}")
    finally:
        log.setLevel(level)
    raise FileNotFoundError(f"MNIST could not be downloaded ({name}: {'; '.join(failures)}): {HOW_TO_GET_IT}")


def _fetch(url, output_file, _pooch):
    """Download ``url`` into ``output_file``, in the form in which `pooch.retrieve` calls its downloaders."""
    import requests
    from tqdm import tqdm

    response = _in_time(lambda: requests.get(url, stream=True, timeout=PATIENCE))
    response.raise_for_status()
    length, pieces = response.headers.get("Content-Length", ""), response.iter_content(PIECE)
    bar = tqdm(
        total=int(length) if length.isdecimal() else None,
        desc=url.rpartition("/")[2],
        unit="B",
        unit_scale=True,
        disable=None,  # shown in a terminal only
    )
    with bar, open(output_file, "wb") as file:
        while piece := _in_time(lambda: next(pieces, b"")):
            bar.update(file.write(piece))
            if file.tell() > LARGEST:
                raise OSError("sent far too much")


def _in_time(ask):
    """Return ``ask()``, or give up after ``PATIENCE`` seconds.

    A socket's own timeout holds for each address of a host anew, for each byte anew, and not for looking up its name;
    so a thread asks.
    """
    import queue
    import threading

    answers = queue.SimpleQueue()

    def put_answer():
        try:
            answers.put(ask())
        except Exception as error:
            answers.put(error)

    threading.Thread(target=put_answer, daemon=True).start()
    try:
        answer = answers.get(timeout=PATIENCE)
    except queue.Empty:
        raise TimeoutError(f"sent nothing, or too little, for {PATIENCE:g} s") from None
    if isinstance(answer, Exception):
        raise answer
    return answer


def _reason(error):
    """Say in a few words, with the mirror as their subject, why a download failed."""
    import requests

    if isinstance(error, requests.HTTPError):
        return f"answered with HTTP status {error.response.status_code}"
    if isinstance(error, requests.RequestException):
        return "could not be reached, or broke off"
    if isinstance(error, ValueError):
        return "sent another file (its sha256 differs)"
    return str(error)

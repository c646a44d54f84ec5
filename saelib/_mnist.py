"""Where MNIST's files are: on this machine, or downloaded, whole and checked, into the user's cache."""

import contextlib
import os
import tempfile
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
# Of what is inside, however it was packed; and the names that others give to the files once they are unpacked.
CONTENT_SHA256 = {
    "train-images-idx3-ubyte.gz": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte.gz": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte.gz": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte.gz": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
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
    try:
        cache = Path(pooch.os_cache("saelib")).expanduser() / "mnist"
    except RuntimeError:  # somebody without a home, as in some containers
        cache = Path(tempfile.gettempdir()) / "saelib" / "mnist"
    folders = [Path(own).expanduser() / "mnist", cache] if own else [cache]
    plain = name.removesuffix(".gz")
    names = (name, plain, plain.replace("-idx", ".idx"), name.replace("-idx", ".idx"))
    for path in (folder / name for folder in folders for name in names):
        if path.is_file():
            return _check_sha256(path, name)
    if download:
        return _download(name, cache)
    raise FileNotFoundError(
        f"MNIST is not on this machine (no {name} in {' or '.join(map(str, folders))}): {HOW_TO_GET_IT}"
    )


def _check_sha256(path, name):
    import hashlib

    with open(path, "rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != SHA256[name] and not _same_content(file, name):
            raise ValueError(
                f"{path} is not MNIST's original file (its sha256 differs; Fashion-MNIST, EMNIST and QMNIST have files "
                "of the same name): move it elsewhere and try again; saelib.datasets.read_idx reads it as it is"
            )
    return path


def _same_content(file, name):
    """Return whether a file has the original's content, packed anew or not at all; unpack no more than it has."""
    import gzip
    import hashlib
    import zlib

    file.seek(0)
    packed = file.read(2) == b"\x1f\x8b"
    file.seek(0)
    digest, size = hashlib.sha256(), 0
    try:
        with gzip.GzipFile(fileobj=file) if packed else contextlib.nullcontext(file) as content:
            while (piece := content.read(PIECE)) and size < 4 * LARGEST:
                digest.update(piece)
                size += len(piece)
    except (OSError, EOFError, zlib.error):
        return False
    return digest.hexdigest() == CONTENT_SHA256[name]


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

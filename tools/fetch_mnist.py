"""Fetch MNIST's four files into the user's cache, unless they are there or in $SAELIB_DATA/mnist: `make data`."""

import sys

from saelib.datasets import find_mnist


def main():
    try:
        for split in ("train", "test"):
            for path in find_mnist(split, download=True):
                print(path)
    except (OSError, ValueError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()

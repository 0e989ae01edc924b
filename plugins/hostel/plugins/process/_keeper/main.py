"""`python -S -E -P main.py FOLDER`: keep a command; the request comes through descriptor 0."""

import sys
from importlib import import_module
from os.path import abspath, dirname

if __name__ == "__main__":
    sys.path.append(dirname(dirname(abspath(__file__))))  # noqa: PTH100, PTH120 - pathlib costs time
    import_module("_keeper.keep").main(sys.argv[1])

"""The program `abi3-demo`, an entry point that the installer makes."""

from . import _native


def main():
    print(f"{_native.answer()} from {_native.__file__}")
    return 0

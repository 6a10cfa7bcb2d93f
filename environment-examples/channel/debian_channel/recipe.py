"""What a conda package is made of, before any file of it exists."""

from dataclasses import dataclass, field
from typing import Callable, Optional

# What conda packages have in place of their prefix until they are installed: 255 characters,
# so that a binary has room for any prefix up to that length.
PLACEHOLDER = ("/opt/" + "placehold_" * 25)[:255]
assert len(PLACEHOLDER) == 255


@dataclass(frozen=True)
class Build:
    """One build of a recipe: its number and what it has beyond the recipe."""

    number: int = 0
    depends: tuple = ()
    constrains: tuple = ()
    track_features: str = ""
    suffix: str = ""  # after the build number, e.g. `openblas`
    # Seconds after the recipe's own time; a later build has a later timestamp.
    later: int = 0
    formats: tuple = ("conda",)


@dataclass(frozen=True)
class Recipe:
    """One version of a package; `fill(tree)` puts its files under the folder `tree`."""

    name: str
    version: str
    summary: str
    license: str
    fill: Callable
    home: str = ""
    depends: tuple = ()
    constrains: tuple = ()
    noarch: Optional[str] = None  # None, "generic" or "python"
    # Where it is published; None: the machine's, or `noarch` if `noarch` is set (CEP 20 packages
    # are `noarch: python` and still belong to the machine).
    subdir: Optional[str] = None
    prefix: str = ""  # before the build string's hash, e.g. `py311`
    build: Optional[str] = None  # the whole build string, for packages whose string is a fact
    debs: tuple = ()  # the Debian packages that its files are from
    entry_points: tuple = ()
    index: dict = field(default_factory=dict)  # more members of index.json
    builds: tuple = (Build(),)
    timestamp: Optional[int] = None  # seconds since 1970; None: the newest file of `debs`


def pin(name, version, parts):
    """`name` from `version` on, below the next change of its first `parts` numbers."""
    numbers = version.split(".")[:parts]
    numbers[-1] = str(int(numbers[-1]) + 1)
    return f"{name} >={version},<{'.'.join(numbers)}.0a0"

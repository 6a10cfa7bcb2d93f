"""The walk: fetch, write every package, write the repodata."""

import os
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from . import demos
from .debian import DebianArchive, machine
from .errors import BuildError
from .libraries import Libraries
from .python_packages import PythonPackages
from .tools import require_tools
from .writer import PackageWriter, write_repodata


def make_channel(out, work, jobs, architecture=None, only=(), report=lambda line: None):
    """Makes the channel `out`; `only` names packages, then nothing else is made.

    Returns {(subdir, file name): repodata record}.
    """
    require_tools()
    target = machine(architecture)
    out = Path(out).absolute()
    work = Path(work).absolute()  # tools run in other folders
    demo_recipes = demos.recipes(target)
    if only and set(only) <= {recipe.name for recipe in demo_recipes}:
        # These come from source alone: no package of the distribution is needed.
        recipes, debian = demo_recipes, None
    else:
        debian = DebianArchive(work, target)
        names = sorted(set(PythonPackages.debs() + Libraries.debs(target)))
        report(f"{len(names)} packages of the distribution ...")
        fetched = debian.fetch(names)
        report(f"  {fetched} downloaded, {len(names) - fetched} there already")
        libraries = Libraries(debian, target)
        recipes = [*libraries.recipes(),
                   *PythonPackages(debian, target, libraries).recipes(),
                   *demos.recipes(target, debian)]
    if only:
        unknown = sorted(set(only) - {recipe.name for recipe in recipes})
        if unknown:
            raise BuildError("no such package: " + ", ".join(unknown))
        recipes = [recipe for recipe in recipes if recipe.name in only]
    out.mkdir(parents=True, exist_ok=True)
    # Nothing of an earlier channel is touched before every package of the new one is made.
    with tempfile.TemporaryDirectory(prefix=".partial-", dir=out) as partial:
        records = write_all(recipes, partial, work, jobs, target, debian, report)
        for subdir, name in records:
            (out / subdir).mkdir(exist_ok=True)
            os.replace(Path(partial, subdir, name), out / subdir / name)
    write_repodata(out, (target.subdir, "noarch"), records)
    return records


def write_all(recipes, out, work, jobs, target, debian, report):
    """The packages of all recipes, `jobs` at a time, the big ones first."""
    work.mkdir(parents=True, exist_ok=True)
    staging = tempfile.mkdtemp(prefix="staging-", dir=work)
    writer = PackageWriter(out, staging, target, debian)
    big = ("python", "libopenblas", "numpy")
    recipes = sorted(recipes, key=lambda recipe: (recipe.name not in big, recipe.name))
    report(f"{sum(len(recipe.builds) for recipe in recipes)} builds of packages ...")

    def write(recipe):
        try:
            return writer.write(recipe)
        except BuildError as error:
            raise BuildError(f"{recipe.name} {recipe.version}: {error}", error.hint) from error

    try:
        records = {}
        with ThreadPoolExecutor(jobs) as pool:
            for made in pool.map(write, recipes):
                records.update(made)
        return dict(sorted(records.items()))
    finally:
        shutil.rmtree(staging, ignore_errors=True)

"""Recipes of small packages made from the sources in ../demos: one per thing an installer does."""

import os
import shutil
import tempfile
from pathlib import Path

from .libraries import GLIBC
from .recipe import PLACEHOLDER, Build, Recipe
from .tools import run

SOURCES = Path(__file__).resolve().parent.parent / "demos"
LICENSE = "BSD-3-Clause"
TIME = 1700000000  # the first demo's; later versions are later
DAY = 86400


def recipes(target, debian=None):
    """All demos; without `debian` those that need nothing of the distribution."""
    made = [
        *prefix_demos(), *solver_demos(), activation_demo(), link_script_demo(),
        *generic_demos(),
    ]
    if debian is not None:
        made.append(abi3_demo(target, debian))
    return made


def compile_c(source, output, *options, libraries=()):
    """Compiles one C file; nothing of this machine's folders or of the time gets into it."""
    compiler = os.environ.get("CC", "gcc")
    output.parent.mkdir(parents=True, exist_ok=True)
    run([compiler, "-std=c11", "-Wall", "-Wextra", "-Werror", "-O2", "-g0", *options,
         source.name, "-o", output, *libraries, "-Wl,--build-id=none", "-Wl,-s"],
        cwd=source.parent)


def fill_template(source, output, version, mode=0o644):
    text = source.read_text(encoding="utf-8")
    text = text.replace("@PREFIX@", PLACEHOLDER).replace("@VERSION@", version)
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(text, encoding="utf-8")
    output.chmod(mode)


def prefix_demos():
    """The prefix in a program, a library, a configuration file, a script and a .pc file."""
    made = []
    for position, (version, number) in enumerate(
            (("1.0", 0), ("1.0", 1), ("1.1", 0), ("1.1", 1))):
        def fill(tree, version=version, number=number):
            folder = SOURCES / "prefix-demo"
            defines = (f'-DPREFIX="{PLACEHOLDER}"', f'-DVERSION="{version}"',
                       f'-DBUILD="{number}"')
            library = tree / "lib/libprefix-demo.so.1"
            compile_c(folder / "library.c", library, *defines, "-fPIC", "-shared",
                      "-Wl,-soname,libprefix-demo.so.1")
            compile_c(folder / "program.c", tree / "bin/prefix-demo", *defines,
                      libraries=(library,))
            (tree / "lib/libprefix-demo.so").symlink_to("libprefix-demo.so.1")
            fill_template(folder / "prefix-demo.conf.in", tree / "etc/prefix-demo.conf", version)
            fill_template(folder / "prefix-demo.pc.in", tree / "lib/pkgconfig/prefix-demo.pc",
                          version)
            fill_template(folder / "prefix-demo-info.in", tree / "bin/prefix-demo-info", version,
                          0o755)

        made.append(Recipe(
            name="prefix-demo", version=version, license=LICENSE, fill=fill,
            summary="Tells the prefix that an installer has written into it",
            timestamp=TIME + position * DAY, builds=(Build(number=number),),
            depends=(GLIBC, "python >=3.11,<3.12.0a0")))
    return made


def solver_demos():
    """Versions, ranges, constrains, tracked features and virtual packages to choose between."""
    made = []
    # Version of the library, its file format.
    for position, (version, formats) in enumerate(
            (("1.0", ("tar.bz2",)), ("1.1", ("conda",)), ("2.0", ("conda",)))):
        def fill(tree, version=version):
            demo_library(tree, version)

        made.append(Recipe(
            name="demo-lib", version=version, license=LICENSE, fill=fill,
            summary="A library with three versions", timestamp=TIME + position * DAY,
            builds=(Build(formats=formats),), depends=(GLIBC,)))
    for position, (version, library, bounds) in enumerate(
            (("1.0", "1.0", ">=1,<2"), ("2.0", "2.0", ">=2,<3"))):
        def fill_app(tree, version=version, library=library):
            with tempfile.TemporaryDirectory() as folder:
                shared = demo_library(Path(folder), library)
                compile_c(SOURCES / "demo-lib/program.c", tree / "bin/demo-app",
                          f'-DVERSION="{version}"', libraries=(shared,))

        made.append(Recipe(
            name="demo-app", version=version, license=LICENSE, fill=fill_app,
            summary="A program that needs one series of demo-lib",
            timestamp=TIME + position * DAY, depends=(GLIBC, f"demo-lib {bounds}")))
    made.append(text_package(
        "constrain-demo", "1.0", "Does not need demo-lib, but refuses an old one",
        constrains=("demo-lib >=1.1",), builds=(Build(formats=("tar.bz2",)),)))
    made.append(text_package(
        "feature-demo", "1.0", "Its build 1 has a tracked feature, so build 0 is preferred",
        builds=(Build(number=0), Build(number=1, track_features="feature_demo_debug",
                                       later=DAY))))
    made.append(text_package(
        "gpu-demo", "1.0", "One build for machines with CUDA and one for the others",
        builds=(Build(number=0, suffix="cpu"),
                Build(number=1, suffix="cuda", depends=("__cuda >=11.8",), later=DAY))))
    return made


def demo_library(tree, version):
    soname = f"libdemo.so.{version.split('.', maxsplit=1)[0]}"
    library = tree / "lib" / soname
    compile_c(SOURCES / "demo-lib/library.c", library, f'-DVERSION="{version}"', "-fPIC",
              "-shared", f"-Wl,-soname,{soname}")
    return library


def text_package(name, version, summary, **more):
    def fill(tree):
        path = tree / "share" / name / "README.txt"
        path.parent.mkdir(parents=True)
        path.write_text(f"{name} {version}: {summary}.\n", encoding="utf-8")

    return Recipe(name=name, version=version, license=LICENSE, summary=summary, fill=fill,
                  noarch="generic", timestamp=TIME, **more)


def generic_demos():
    """Data only, in both archive formats, with the kinds of names and files there are."""
    def fill(tree, version):
        folder = tree / "share/generic-demo"
        (folder / "deep/er").mkdir(parents=True)
        (folder / "data.txt").write_text(f"generic-demo {version}\n")
        (folder / "deep/er/table.csv").write_text("name,value\na,1\nb,2\n")
        (folder / "empty").write_bytes(b"")
        (folder / "a name with spaces.txt").write_text("spaces\n")
        (folder / "ünïcode.txt").write_text("ünïcode\n", encoding="utf-8")
        (folder / "bytes.bin").write_bytes(bytes(range(256)) * 16)
        (folder / "latest.txt").symlink_to("data.txt")
        (folder / "deeper").symlink_to("deep/er")

    return [
        Recipe(name="generic-demo", version=version, license=LICENSE, noarch="generic",
               summary="Files of many kinds", timestamp=TIME + position * DAY,
               fill=lambda tree, version=version: fill(tree, version),
               builds=(Build(formats=("tar.bz2", "conda")),))
        for position, version in enumerate(("1.0", "2.0"))
    ]


def activation_demo():
    """Scripts for each shell, and variables from JSON; (de)activation sources and sets them."""
    def fill(tree):
        folder = SOURCES / "activation-demo"
        copies = [("greeting.txt", "share/activation-demo/greeting.txt"),
                  ("activation-demo", "bin/activation-demo"),
                  ("activation-demo.json", "etc/conda/env_vars.d/activation-demo.json")]
        for shell in ("sh", "fish", "csh", "xsh"):
            for action in ("activate", "deactivate"):
                copies.append((f"{action}.{shell}",
                               f"etc/conda/{action}.d/activation-demo.{shell}"))
        for source, output in copies:
            fill_template(folder / source, tree / output, "1.0",
                          0o755 if output.startswith("bin/") else 0o644)

    return Recipe(name="activation-demo", version="1.0", license=LICENSE, noarch="generic",
                  summary="Shows what activating an environment does", fill=fill, timestamp=TIME)


def link_script_demo():
    """A post-link and a pre-unlink script (CEP 34)."""
    def fill(tree):
        for action in ("post-link", "pre-unlink"):
            fill_template(SOURCES / "link-script-demo" / f"{action}.sh",
                          tree / "bin" / f".link-script-demo-{action}.sh", "1.0", 0o755)

    return Recipe(name="link-script-demo", version="1.0", license=LICENSE, noarch="generic",
                  summary="Has scripts that an installer may run", fill=fill, timestamp=TIME)


def abi3_demo(target, debian):
    """CEP 20: a compiled module of the stable ABI in a `noarch: python` package of a machine."""
    version = "1.0"

    def fill(tree):
        site = tree / "site-packages"
        shutil.copytree(SOURCES / "abi3-demo/abi3_demo", site / "abi3_demo",
                        ignore=shutil.ignore_patterns("__pycache__"))
        headers = debian.package("libpython3.11-dev").tree / "usr/include"
        compile_c(SOURCES / "abi3-demo/native.c", site / "abi3_demo/_native.abi3.so",
                  "-fPIC", "-shared", "-fvisibility=hidden", "-isystem", headers / "python3.11",
                  "-isystem", headers)
        dist_info = site / f"abi3_demo-{version}.dist-info"
        dist_info.mkdir()
        (dist_info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: abi3-demo\nVersion: {version}\n"
            "Summary: A module of the stable ABI\nRequires-Python: >=3.8\n")
        (dist_info / "WHEEL").write_text(
            "Wheel-Version: 1.0\nGenerator: make-debian-channel\nRoot-Is-Purelib: false\n"
            f"Tag: cp38-abi3-linux_{target.cpu}\n")
        (dist_info / "entry_points.txt").write_text(
            "[console_scripts]\nabi3-demo = abi3_demo.cli:main\n")

    return Recipe(
        name="abi3-demo", version=version, license=LICENSE, fill=fill, noarch="python",
        subdir=target.subdir, prefix="py38", timestamp=TIME,
        summary="A compiled module that serves every Python from 3.8 on",
        entry_points=("abi3-demo = abi3_demo.cli:main",),
        depends=(GLIBC, "python", "cpython >=3.8", "python-gil"))

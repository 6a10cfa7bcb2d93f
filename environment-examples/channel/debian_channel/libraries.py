"""Recipes of libraries, command line tools and data, each from a few Debian packages."""

import hashlib
from pathlib import Path

from .debian import upstream_version
from .layout import Layout
from .recipe import Build, Recipe, pin

# Debian 12's glibc, which stays the system's.
GLIBC = "__glibc >=2.36,<3.0.a0"

# conda's name -> (Debian's packages: the version is the first one's, what to keep of them, what
# the package depends on: names are pinned below the change of as many version numbers as said,
# license, summary).
LIBRARIES = {
    "bzip2": (("libbz2-1.0", "bzip2"), ("bin/*", "lib/*", "share/man/*"), {},
              "bzip2-1.0.6", "The bzip2 compressor: library and programs"),
    "libexpat": (("libexpat1",), ("lib/*",), {}, "MIT", "A stream-oriented XML parser"),
    "libffi": (("libffi8",), ("lib/*",), {}, "MIT", "Foreign function interface library"),
    "libgomp": (("libgomp1",), ("lib/*",), {},
                "GPL-3.0-only WITH GCC-exception-3.1", "The OpenMP runtime of GCC"),
    "liblzma": (("liblzma5",), ("lib/*",), {}, "0BSD", "LZMA compression library"),
    "libsqlite": (("libsqlite3-0",), ("lib/*",), {}, "blessing", "SQL database library"),
    "libuuid": (("libuuid1",), ("lib/*",), {}, "BSD-3-Clause", "Universally unique identifiers"),
    "libxcrypt": (("libcrypt1",), ("lib/*",), {}, "LGPL-2.1-or-later", "Password hashing library"),
    "libzlib": (("zlib1g",), ("lib/*",), {}, "Zlib", "The zlib compression library"),
    "ncurses": (("libncursesw6", "libtinfo6", "ncurses-base"), ("lib/*", "share/*"), {},
                "X11", "Terminal control library and terminal descriptions"),
    "openssl": (("openssl", "libssl3"), ("bin/*", "lib/*", "ssl/*"), {"ca-certificates": 0},
                "Apache-2.0", "TLS library and tools"),
    "readline": (("libreadline8",), ("lib/*",), {"ncurses": 1},
                 "GPL-3.0-or-later", "Line editing library"),
    "sqlite": (("sqlite3",), ("bin/*", "share/man/*"),
               {"libsqlite": 1, "libzlib": 1, "readline": 1},
               "blessing", "SQL database command line"),
    "xz": (("xz-utils",), ("bin/*", "share/man/man1/*"), {"liblzma": 1},
           "0BSD AND GPL-2.0-or-later", "LZMA compression programs"),
    "yaml": (("libyaml-0-2",), ("lib/*",), {}, "MIT", "YAML parser library"),
    "zlib": (("zlib1g-dev",), ("lib/*", "include/*"), {}, "Zlib",
             "Headers and link name of the zlib library"),
    "libopenblas": (("libopenblas0-pthread",), ("lib/openblas-pthread/libopenblas*",),
                    {"libgfortran5": 1, "libgcc": 0}, "BSD-3-Clause", "Fast linear algebra library"),
    "libgfortran5": (("libgfortran5",), ("lib/*",), {"libgcc": 0},
                     "GPL-3.0-only WITH GCC-exception-3.1", "The Fortran runtime of GCC"),
    "libstdcxx": (("libstdc++6",), ("lib/*",), {"libgcc": 0},
                  "GPL-3.0-only WITH GCC-exception-3.1", "The C++ runtime of GCC"),
}

# The name of an old package -> the one that took its place; it depends on that very version.
FORMER_NAMES = {"libgcc-ng": "libgcc", "libstdcxx-ng": "libstdcxx", "libgfortran": "libgfortran5"}


class Libraries:
    """Makes the recipes; `versions` has the version of every package, for the pins of others."""

    def __init__(self, debian, target):
        self._debian = debian
        self._target = target
        self._layout = Layout(target.triplet, noarch=False)
        self.versions = {}

    @staticmethod
    def debs(target):
        names = [name for debs, *_ in LIBRARIES.values() for name in debs]
        names += ["ca-certificates", "tzdata", "libgcc-s1", "libblas3", "liblapack3"]
        names.append("gcc-12-base")  # has the copyright file of all of GCC's libraries
        if target.architecture == "amd64":
            names.append("libquadmath0")
        return names

    def pin(self, name, parts):
        return pin(name, self.versions[name], parts) if parts else name

    def recipes(self):
        self._note_versions()
        recipes = [self._library(name, *row) for name, row in LIBRARIES.items()]
        recipes += [self._libgcc(), self._certificates(), self._time_zones()]
        recipes += [self._former_name(old, new) for old, new in FORMER_NAMES.items()]
        recipes += self._linear_algebra()
        recipes.append(Recipe(
            name="_openmp_mutex", version="4.5", build="2_gnu", noarch=None,
            summary="Says which OpenMP runtime an environment has", license="BSD-3-Clause",
            fill=lambda tree: None, builds=(Build(number=2),), timestamp=1700000000,
            depends=("libgomp >=7.5.0",), constrains=("openmp_impl 9999",)))
        return recipes

    def _note_versions(self):
        for name, (debs, *_) in LIBRARIES.items():
            self.versions[name] = self._version(debs[0])
        self.versions["libgcc"] = self._version("libgcc-s1")
        self.versions["tzdata"] = self._version("tzdata")
        day = self._version("ca-certificates")
        self.versions["ca-certificates"] = f"{day[:4]}.{int(day[4:6])}.{int(day[6:8])}"
        for old, new in FORMER_NAMES.items():
            self.versions[old] = self.versions[new]
        for name in ("libblas", "libcblas", "liblapack"):
            self.versions[name] = self._version("libblas3")

    def _version(self, deb):
        return upstream_version(self._debian.package(deb).version)

    def _copy(self, tree, debs, keep, drop=()):
        for name in debs:
            self._layout.copy(self._debian.package(name).tree, tree, keep=keep, drop=drop)

    def _library(self, name, debs, keep, pins, license_name, summary):
        depends = [GLIBC] + [self.pin(other, parts) for other, parts in pins.items()]
        if name == "zlib":
            depends.append(f"libzlib {self.versions['libzlib']}")

        def fill(tree):
            self._copy(tree, debs, keep)
            if name == "libopenblas":
                flatten(tree, "lib/openblas-pthread")
            if name == "openssl":
                self._finish_openssl(tree)

        return Recipe(name=name, version=self.versions[name], summary=summary,
                      license=license_name, fill=fill, depends=tuple(depends), debs=tuple(debs))

    @staticmethod
    def _finish_openssl(tree):
        # Links into the system's /etc/ssl; ca-certificates has the environment's certificates.
        for name in ("certs", "private", "cert.pem"):
            Path(tree, "ssl", name).unlink(missing_ok=True)

    def _libgcc(self):
        debs = ["libgcc-s1"]
        if self._target.architecture == "amd64":
            debs.append("libquadmath0")
        return Recipe(
            name="libgcc", version=self.versions["libgcc"], summary="The runtime library of GCC",
            license="GPL-3.0-only WITH GCC-exception-3.1", debs=tuple(debs),
            fill=lambda tree: self._copy(tree, debs, ("lib/*",)),
            depends=(GLIBC, "_openmp_mutex >=4.5"),
            constrains=(f"libgcc-ng =={self.versions['libgcc']}",))

    def _former_name(self, old, new):
        deb = LIBRARIES[new][0][0] if new in LIBRARIES else "libgcc-s1"
        return Recipe(
            name=old, version=self.versions[old], summary=f"The former name of {new}",
            license="GPL-3.0-only WITH GCC-exception-3.1", fill=lambda tree: None, debs=(deb,),
            depends=(f"{new} {self.versions[new]}",))

    def _certificates(self):
        def fill(tree):
            folder = self._debian.package("ca-certificates").tree / "usr/share/ca-certificates"
            bundle = b"".join(
                path.read_bytes().rstrip() + b"\n" for path in sorted(folder.rglob("*.crt")))
            target = Path(tree, "ssl/cacert.pem")
            target.parent.mkdir(parents=True)
            target.write_bytes(bundle)
            Path(tree, "ssl/cert.pem").symlink_to("cacert.pem")

        return Recipe(
            name="ca-certificates", version=self.versions["ca-certificates"], noarch="generic",
            summary="Certificates of the authorities that Mozilla trusts", license="MPL-2.0",
            debs=("ca-certificates",), fill=fill, depends=("__unix",))

    def _time_zones(self):
        return Recipe(
            name="tzdata", version=self.versions["tzdata"], noarch="generic",
            summary="The time zone database", license="LicenseRef-Public-Domain",
            debs=("tzdata",), fill=lambda tree: self._copy(tree, ("tzdata",), ("share/zoneinfo/*",)))

    def _linear_algebra(self):
        """libblas, libcblas and liblapack, each built upon OpenBLAS and upon the reference code.

        The variants exclude each other through `blas`, whose build string names the chosen one.
        The reference variant has a tracked feature, so that a solver prefers OpenBLAS.
        """
        version = self.versions["libblas"]
        number = 1
        openblas = self.pin("libopenblas", 3)
        fortran = self.pin("libgfortran5", 1)
        recipes = []
        for variant, folder, debs in (
            ("openblas", "openblas-pthread", ("libopenblas0-pthread",) * 2),
            ("netlib", None, ("libblas3", "liblapack3")),
        ):
            runtime = (openblas,) if variant == "openblas" else (fortran,)
            mark = "" if variant == "openblas" else "blas_netlib"

            def add(name, fill, depends, constrains, deb, variant=variant, mark=mark):
                recipes.append(Recipe(
                    name=name, version=version, license="BSD-3-Clause", debs=(deb,), fill=fill,
                    summary=f"{name} of {variant}", build=f"{number}_{short_hash(deb, self)}_{variant}",
                    builds=(Build(number=number, track_features=mark),),
                    depends=depends, constrains=constrains))

            same = {
                name: f"{name} {version} {number}_*_{variant}"
                for name in ("libblas", "libcblas", "liblapack")
            }
            add("libblas", self._part(debs[0], folder or "blas", "libblas.so*"),
                (GLIBC, *runtime),
                (f"blas 2.{number} {variant}", same["libcblas"], same["liblapack"]), debs[0])
            add("libcblas", link_to_libblas, (same["libblas"],),
                (f"blas 2.{number} {variant}", same["liblapack"]), debs[0])
            add("liblapack", self._part(debs[1], folder or "lapack", "liblapack.so*"),
                (GLIBC, same["libblas"], fortran),
                (f"blas 2.{number} {variant}", same["libcblas"]), debs[1])
            recipes.append(Recipe(
                name="blas", version=f"2.{number}", build=variant, license="BSD-3-Clause",
                summary=f"Chooses {variant} as the linear algebra library of an environment",
                fill=lambda tree: None, timestamp=1700000000,
                builds=(Build(number=number, track_features=mark),),
                depends=tuple(same.values())))
        return recipes

    def _part(self, deb, folder, pattern):
        def fill(tree):
            self._copy(tree, (deb,), (f"lib/{folder}/{pattern}",))
            flatten(tree, f"lib/{folder}")
        return fill


def short_hash(deb, libraries):
    version = libraries._debian.package(deb).version
    return "h" + hashlib.sha1(f"{deb} {version}".encode()).hexdigest()[:7]


def link_to_libblas(tree):
    """Debian's libblas has the C interface too."""
    Path(tree, "lib").mkdir()
    Path(tree, "lib/libcblas.so.3").symlink_to("libblas.so.3")


def flatten(tree, folder):
    """Moves the content of `folder` one level up; links inside it stay relative to it."""
    source = Path(tree, folder)
    for path in sorted(source.iterdir()):
        path.rename(source.parent / path.name)
    source.rmdir()

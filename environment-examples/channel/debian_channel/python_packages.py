"""Recipes of the interpreter and of the packages for it."""

from . import interpreter, modules
from .debian import upstream_version
from .libraries import GLIBC
from .recipe import Build, Recipe

SITE = "lib/python3.11/site-packages"

# conda's name -> (Debian's package, dependencies besides Python, license, summary, programs).
# The dependencies are the ones of the package's own metadata, and what Debian's build imports
# instead of a bundled copy (urllib3: six).
PURE = {
    "attrs": ("python3-attr", (), "MIT", "Classes without boilerplate", ()),
    "certifi": ("python3-certifi", (), "MPL-2.0", "Certificates for Python programs", ()),
    "charset-normalizer": ("python3-charset-normalizer", (), "MIT", "Detects text encodings",
                           ("normalizer = charset_normalizer.cli.normalizer:cli_detect",)),
    "click": ("python3-click", (), "BSD-3-Clause", "Command line interfaces", ()),
    "colorama": ("python3-colorama", (), "BSD-3-Clause", "Coloured terminal text", ()),
    "idna": ("python3-idna", (), "BSD-3-Clause", "Internationalised domain names", ()),
    "iniconfig": ("python3-iniconfig", (), "MIT", "Reads ini files", ()),
    "jinja2": ("python3-jinja2", ("markupsafe >=2.0",), "BSD-3-Clause", "A template engine", ()),
    "packaging": ("python3-packaging", (), "Apache-2.0 OR BSD-2-Clause",
                  "Versions, specifiers and markers of Python packages", ()),
    "pluggy": ("python3-pluggy", (), "MIT", "Plugins and hooks", ()),
    "pytest": ("python3-pytest",
               ("attrs >=19.2.0", "iniconfig", "packaging", "pluggy >=0.12,<2.0"),
               "MIT", "A test runner",
               ("pytest = pytest:console_main", "py.test = pytest:console_main")),
    "python-dateutil": ("python3-dateutil", ("six >=1.5",), "Apache-2.0 OR BSD-3-Clause",
                        "Extensions of datetime", ()),
    "pytz": ("python3-tz", (), "MIT", "Time zones for Python", ()),
    "requests": ("python3-requests",
                 ("certifi >=2017.4.17", "charset-normalizer >=2,<4", "idna >=2.5,<4",
                  "urllib3 >=1.21.1,<1.27"),
                 "Apache-2.0", "HTTP for humans", ()),
    "six": ("python3-six", (), "MIT", "Python 2 and 3 compatibility", ()),
    "urllib3": ("python3-urllib3", ("six",), "MIT", "An HTTP client", ()),
}

# conda's name -> (Debian's package with a wheel, dependencies, license, summary).
WHEELS = {
    "pip": ("python3-pip-whl", ("setuptools", "wheel"), "MIT", "The Python package installer"),
    "setuptools": ("python3-setuptools-whl", (), "MIT", "Builds Python packages"),
    "wheel": ("python3-wheel-whl", (), "MIT", "Builds and unpacks wheels"),
}

# conda's name -> (Debian's package, libraries it needs, license, summary). Compiled modules.
COMPILED = {
    "markupsafe": ("python3-markupsafe", (), "BSD-3-Clause", "Escapes text for markup"),
    "pyyaml": ("python3-yaml", (("yaml", 2),), "MIT", "YAML for Python"),
}


class PythonPackages:
    """Makes the recipes; `libraries` knows the versions of what the packages depend on."""

    def __init__(self, debian, target, libraries):
        self._debian = debian
        self._target = target
        self._libraries = libraries

    @staticmethod
    def debs():
        rows = (*PURE.values(), *WHEELS.values(), *COMPILED.values())
        return [*interpreter.DEBS, "python3-numpy", *(row[0] for row in rows)]

    def _version(self, deb):
        return upstream_version(self._debian.package(deb).version)

    def recipes(self):
        recipes = [self._python(), *self._abi_packages(), self._numpy()]
        recipes += [self._pure(name, *row) for name, row in PURE.items()]
        recipes += [self._wheel(name, *row) for name, row in WHEELS.items()]
        recipes += [self._compiled(name, *row) for name, row in COMPILED.items()]
        return recipes

    def _python(self):
        version = self._version("python3.11")
        needs = {"bzip2": 1, "libexpat": 1, "libffi": 2, "liblzma": 1, "libsqlite": 1,
                 "libuuid": 1, "libxcrypt": 1, "libzlib": 2, "ncurses": 1, "openssl": 1,
                 "readline": 1, "tzdata": 0}
        return Recipe(
            name="python", version=version, license="Python-2.0",
            summary="The Python interpreter and its standard library",
            home="https://www.python.org", debs=interpreter.DEBS,
            fill=lambda tree: interpreter.fill(tree, self._debian, self._target),
            depends=(GLIBC, *(self._libraries.pin(name, parts) for name, parts in needs.items())),
            constrains=("python_abi 3.11.* *_cp311",),
            builds=(Build(suffix="cpython"),), index={"python_site_packages_path": SITE})

    def _abi_packages(self):
        """The packages without files by which others say which Python they are for."""
        version = self._version("python3.11")
        debs = ("python3.11-minimal",)
        common = {"fill": lambda tree: None, "license": "BSD-3-Clause", "debs": debs}
        return [
            Recipe(name="python_abi", version="3.11", build="2_cp311", noarch="generic",
                   summary="Says which binary interface of Python a package is for",
                   constrains=("python 3.11.* *_cpython",), builds=(Build(number=2),), **common),
            Recipe(name="cpython", version=version, noarch="generic", prefix="py311",
                   summary="Says that an environment's Python is CPython",
                   depends=("python >=3.11,<3.12.0a0", "python_abi * *_cp311"), **common),
            Recipe(name="python-gil", version=version, noarch="generic",
                   summary="Says that an environment's Python has the global interpreter lock",
                   depends=(f"cpython {version}.*", "python_abi * *_cp311"), **common),
        ]

    def _numpy(self):
        deb = "python3-numpy"
        version = self._version(deb)

        def fill(tree):
            modules.fill_from_package(
                tree, self._debian, self._target, deb, noarch=None, version=version)
            for name, link in (("f2py3.11", None), ("f2py", "f2py3.11"), ("f2py3", "f2py3.11")):
                self._script(tree, deb, name, link)
            interpreter.compile_modules(tree, SITE, self._debian, self._target)

        return Recipe(
            name="numpy", version=version, license="BSD-3-Clause", prefix="py311", debs=(deb,),
            summary="Arrays and linear algebra", home="https://numpy.org", fill=fill,
            depends=(GLIBC, "python >=3.11,<3.12.0a0", "python_abi 3.11.* *_cp311"),
            constrains=("numpy-base <0a0",),
            # Build 1 also names the C interface of the linear algebra, which build 0 forgot.
            builds=(
                Build(number=0, depends=("libblas >=3.9.0,<4.0a0", "liblapack >=3.9.0,<4.0a0")),
                Build(number=1, later=86400,
                      depends=("libblas >=3.9.0,<4.0a0", "libcblas >=3.9.0,<4.0a0",
                               "liblapack >=3.9.0,<4.0a0")),
            ))

    def _script(self, tree, deb, name, link):
        path = tree / "bin" / name
        path.parent.mkdir(exist_ok=True)
        if link:
            path.symlink_to(link)
            return
        path.write_bytes((self._debian.package(deb).tree / "usr/bin" / name).read_bytes())
        path.chmod(0o755)
        interpreter.rewrite_shebang(path)

    def _pure(self, name, deb, depends, license_name, summary, programs):
        version = self._version(deb)

        def fill(tree):
            modules.fill_from_package(
                tree, self._debian, self._target, deb, noarch="python", version=version,
                requires=[spec for spec in depends if spec != "six"])
            if name == "certifi":
                use_own_certificates(tree / "site-packages/certifi/core.py")

        return Recipe(
            name=name, version=version, license=license_name, summary=summary, debs=(deb,),
            noarch="python", prefix="py", fill=fill, entry_points=programs,
            depends=("python >=3.7", *depends))

    def _wheel(self, name, deb, depends, license_name, summary):
        return Recipe(
            name=name, version=self._version(deb), license=license_name, summary=summary,
            debs=(deb,), noarch="python", prefix="py",
            fill=lambda tree: modules.fill_from_wheel(tree, self._debian, deb),
            entry_points=modules.wheel_entry_points(self._debian, deb),
            depends=("python >=3.7", *depends))

    def _compiled(self, name, deb, needs, license_name, summary):
        version = self._version(deb)

        def fill(tree):
            modules.fill_from_package(
                tree, self._debian, self._target, deb, noarch=None, version=version)
            interpreter.compile_modules(tree, SITE, self._debian, self._target)

        return Recipe(
            name=name, version=version, license=license_name, summary=summary, debs=(deb,),
            prefix="py311", fill=fill,
            depends=(GLIBC, "python >=3.11,<3.12.0a0", "python_abi 3.11.* *_cp311",
                     *(self._libraries.pin(other, parts) for other, parts in needs)))


def use_own_certificates(core):
    """Debian's certifi names the system's certificates; this one names its own file."""
    interpreter.edit(core, (
        "DEBIAN_CA_CERTS_PATH = '/etc/ssl/certs/ca-certificates.crt'",
        "import os.path\n\n"
        "OWN_CA_CERTS_PATH = os.path.join(os.path.dirname(__file__), 'cacert.pem')",
    ), ("return DEBIAN_CA_CERTS_PATH", "return OWN_CA_CERTS_PATH"),
        ("/etc/ssl/certs/ca-certificates.crt", "cacert.pem"))

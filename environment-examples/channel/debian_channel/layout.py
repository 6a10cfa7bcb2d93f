"""Moves a Debian package's files to where conda packages have them."""

import fnmatch
import os
import shutil
from pathlib import Path, PurePosixPath

# Debian's folder -> conda's, the first match counts. {triplet} is filled in, and {site} is
# `site-packages` for noarch packages, else `lib/python3.11/site-packages`.
FOLDERS = (
    ("usr/lib/python3/dist-packages", "{site}"),
    ("usr/lib/python3.11/dist-packages", "{site}"),
    ("usr/lib/{triplet}", "lib"),
    ("lib/{triplet}", "lib"),
    ("lib/terminfo", "share/terminfo"),
    ("usr/lib/ssl", "ssl"),
    ("etc/ssl", "ssl"),
    ("usr/include/{triplet}", "include"),
    ("usr/bin", "bin"),
    ("bin", "bin"),
    ("usr/lib", "lib"),
    ("usr/include", "include"),
    ("usr/share", "share"),
)

# Parts of the distribution's packages that mean nothing inside an environment.
LEFT_OUT = (
    "share/doc/*", "share/lintian/*", "share/bug/*", "share/locale/*", "share/gdb/*",
    "share/applications/*", "share/pixmaps/*", "share/binfmts/*", "share/perl5/*",
    "share/python3/*", "share/gcc/*", "share/info/*", "share/vim/*", "share/numpy3/*",
    "lib/binfmt.d/*", "lib/*.a", "*/__pycache__/*",
)


class Layout:
    """The mapping for one machine and one place for Python modules."""

    def __init__(self, triplet, noarch):
        site = "site-packages" if noarch else "lib/python3.11/site-packages"
        self._folders = [
            (PurePosixPath(old.format(triplet=triplet)), PurePosixPath(new.format(site=site)))
            for old, new in FOLDERS
        ]

    def conda_path(self, debian_path):
        """The path inside an environment, or None for what has no place there."""
        for old, new in self._folders:
            if debian_path == old or old in debian_path.parents:
                path = new / debian_path.relative_to(old)
                left_out = any(fnmatch.fnmatch(str(path), pattern) for pattern in LEFT_OUT)
                return None if left_out else path
        return None

    def copy(self, debian_tree, tree, keep=("*",), drop=()):
        """Copies from `debian_tree` what `keep` matches and `drop` does not (conda's paths)."""
        for folder, folders, files in os.walk(debian_tree):
            links = [name for name in folders if os.path.islink(os.path.join(folder, name))]
            for name in sorted(files + links):
                source = Path(folder, name)
                old = PurePosixPath(source.relative_to(debian_tree))
                new = self.conda_path(old)
                if new is None or not matches(new, keep) or matches(new, drop):
                    continue
                target = Path(tree, new)
                target.parent.mkdir(parents=True, exist_ok=True)
                if source.is_symlink():
                    self._copy_link(source, old, new, target)
                else:
                    target.unlink(missing_ok=True)
                    shutil.copyfile(source, target)
                    target.chmod(0o755 if source.stat().st_mode & 0o100 else 0o644)

    def _copy_link(self, source, old, new, target):
        """A link that points, relatively, to where its target goes.

        None if the target goes nowhere or to this very place (from /etc, say).
        """
        text = os.readlink(source)
        absolute = text if text.startswith("/") else f"/{old.parent}/{text}"
        pointed = self.conda_path(PurePosixPath(os.path.normpath(absolute).lstrip("/")))
        if pointed is None or pointed == new:
            return
        target.unlink(missing_ok=True)
        target.symlink_to(os.path.relpath(pointed, new.parent))


def matches(path, patterns):
    """Whether any of the shell patterns matches `path`; `*` crosses folders."""
    return any(fnmatch.fnmatch(str(path), pattern) for pattern in patterns)

#!/usr/bin/env python3
"""An oracle that sees nothing would pass everything: damages environments and looks whether it says so."""
import json
import os
import pathlib
import sys
import tempfile
import unittest

import oracle


def make(folder):
    """A small environment, by hand."""
    env = pathlib.Path(folder, "e")
    state = env / oracle.BOOKKEEPING
    (state / "revisions").mkdir(parents=True)
    (state / "generation").write_text("1\n")
    (state / "revisions/0.json").write_text("{}")
    (env / "conda-meta/history").write_text("==> 2026-01-01 00:00:00 <==\n# cmd: x\n+c::a-1-0\n+c::b-1-0\n")
    for name in "ab":
        (env / "lib").mkdir(exist_ok=True)
        (env / f"lib/{name}").write_text(name)
        paths = [{"_path": f"lib/{name}", "sha256_in_prefix": oracle.sha256(name.encode())}]
        (env / f"conda-meta/{name}-1-0.json").write_text(json.dumps(
            {"name": name, "version": "1", "build": "0", "files": [f"lib/{name}"], "paths_data": {"paths": paths}}))
    (env / "mine").write_text("mine")
    return env


DAMAGE = {
    "content": lambda env: (env / "lib/a").write_text("x"),
    "mode": lambda env: (env / "lib/a").chmod(0o600),
    "missing": lambda env: (env / "lib/a").unlink(),
    "extra": lambda env: (env / "lib/extra").write_text("x"),
    "folder": lambda env: (env / "empty").mkdir(),
    "link instead of a file": lambda env: ((env / "lib/a").unlink(), (env / "lib/a").symlink_to("b")),
    "user's file": lambda env: (env / "mine").unlink(),
    "history": lambda env: (env / "conda-meta/history").write_text("==> 2026-01-01 00:00:00 <==\n+c::a-1-0\n"),
    "record gone": lambda env: (env / "conda-meta/a-1-0.json").unlink(),
    "record renamed": lambda env: (env / "conda-meta/a-1-0.json").rename(env / "conda-meta/a-2-0.json"),
    "record cut": lambda env: (env / "conda-meta/a-1-0.json").write_text("{"),
    "record changed": lambda env: (env / "conda-meta/a-1-0.json").write_text((env / "conda-meta/a-1-0.json").read_text().replace('"1"', '"2"')),
    "generation": lambda env: (env / oracle.BOOKKEEPING / "generation").write_text("2\n"),
    "parked": lambda env: ((env / oracle.PARKED).mkdir(), (env / oracle.PARKED / "0").write_text("x")),
}
# Also without knowing what should be there.
DISAGREE = ("content", "missing", "history", "record gone", "record renamed", "record cut", "record changed", "parked")


class Oracle(unittest.TestCase):
    def setUp(self):
        self.folder = self.enterContext(tempfile.TemporaryDirectory())

    def test_sound(self):
        env = make(self.folder)
        self.assertEqual(oracle.disagreements(env), [])
        self.assertEqual(oracle.leftovers(self.folder), [])
        self.assertEqual(oracle.unknown_files(env, ["mine"]), [])

    def test_times_do_not_count(self):
        env = make(self.folder)
        before = oracle.manifest(env)
        (env / "conda-meta/history").write_text((env / "conda-meta/history").read_text().replace("2026-01", "2027-02"))
        os.utime(env / "lib/a", (1, 1))
        self.assertEqual(oracle.difference(before, oracle.manifest(env)), "")

    def test_damage(self):
        for name, damage in DAMAGE.items():
            with self.subTest(name), tempfile.TemporaryDirectory() as folder:
                env = make(folder)
                before = oracle.manifest(env)
                damage(env)
                self.assertNotEqual(oracle.difference(before, oracle.manifest(env)), "")
                if name in DISAGREE:
                    self.assertNotEqual(oracle.disagreements(env), [])

    def test_leftovers(self):
        for path in ("e.envtool-0123456789ab/x", ".envtool-trash-0123456789ab/x", "e.envtool-old-0123456789ab/x", "e/conda-meta/.envtool/tx/journal.ready",
                     "e/lib/.envtool-0123456789abcdef.tmp", "pkgs/.tmp/a/x", "pkgs/a.tar.bz2.part"):
            with self.subTest(path), tempfile.TemporaryDirectory() as folder:
                place = pathlib.Path(folder, path)
                place.parent.mkdir(parents=True)
                place.write_text("x")
                self.assertNotEqual(oracle.leftovers(folder), [])

    def test_absent(self):
        self.assertIsNone(oracle.manifest(pathlib.Path(self.folder, "nothing")))
        self.assertNotEqual(oracle.difference(None, oracle.manifest(make(self.folder))), "")


if __name__ == "__main__":
    sys.exit(not unittest.main(exit=False).result.wasSuccessful())

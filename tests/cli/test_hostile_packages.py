"""Packages that try to write where a package has no business."""
import unittest

import support
from made_channel import Link, Package, write_channel
from support import CliTest


class CondaMeta(CliTest):
    """Symlinks must not make a package's files the environment's own records, variables or journal."""

    CASES = {
        "into the state": ("meta", "conda-meta", "meta/state"),
        "into a record": ("meta", "conda-meta", "meta/zzz.json"),
        "into the journal": ("meta", "conda-meta/.envtool", "meta/tx/journal.ready"),
        "by way of the environment itself": ("self", ".", "self/conda-meta/state"),
        "by way of a folder": ("share/up", "../conda-meta", "share/up/pinned"),
    }

    def channel(self, number, link, target, path):
        folder = self.work / f"channel{number}"
        write_channel(folder, Package("first", files={link: Link(target)}),
                              Package("second", files={path: "planted\n"}, depends=["first"]))
        return folder

    def test_create(self):
        for number, (name, (link, target, path)) in enumerate(self.CASES.items()):
            with self.subTest(name):
                channel = self.channel(number, link, target, path)
                result = self.envtool("create", "-y", "-n", f"e{number}", "-c", channel, "--override-channels", "second", code=1)
                self.assertIn("conda-meta", result.err)
                self.assertFalse(self.prefix(f"e{number}").exists())
        self.assert_nothing_left(self.root)

    def test_install(self):
        for number, (name, (link, target, path)) in enumerate(self.CASES.items()):
            with self.subTest(name):
                channel = self.channel(number, link, target, path)
                self.envtool("create", "-y", "-n", f"e{number}", "-c", channel, "--override-channels", "first")
                before = support.manifest(self.prefix(f"e{number}"))
                result = self.envtool("install", "-y", "-n", f"e{number}", "-c", channel, "--override-channels", "second", code=None)
                self.assertNotEqual(result.code, 0, result)
                self.envtool("list", "-n", f"e{number}")
                after = support.manifest(self.prefix(f"e{number}"))
                ours = lambda tree: {k: v for k, v in tree.items() if not k.startswith("conda-meta/.envtool")}
                self.assertEqual(ours(after), ours(before))


if __name__ == "__main__":
    support.main()

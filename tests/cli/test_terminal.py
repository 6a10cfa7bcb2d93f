"""What a person at a terminal sees: progress that cleans up after itself, colours only where they are wanted."""
import os
import re
import time

import support
import terminal
from made_channel import Package, write_channel
from support import CliTest, http_channel


class Terminal(CliTest):
    def setUp(self):
        super().setUp()
        self.channel = write_channel(self.work / "channel", *(
            Package(f"package-{number}", files={"share/big/" + str(number): os.urandom(60_000)}) for number in range(4)))

    def on_terminal(self, *arguments, columns=80, answers=(), **environ):
        return terminal.on_terminal([support.ENVTOOL, *arguments], {**self.environ, "TERM": "xterm-256color", **environ}, self.work, answers, columns)

    def screen(self, text):
        """What stays on the screen: only cursor up, clear and return are understood, as that is all there may be."""
        rows, row = [""], 0
        for piece in re.split(r"(\x1b\[[0-9;]*[A-Za-z]|\r|\n)", text):
            if piece == "\n":
                row += 1
                rows += [""] * (row + 1 - len(rows))
            elif piece == "\r" or not piece:
                continue
            elif (move := re.fullmatch(r"\x1b\[(\d*)A", piece)):
                row = max(0, row - int(move[1] or 1))
            elif piece == "\x1b[J":
                del rows[row + 1:]
                rows[row] = ""
            elif piece == "\x1b[K" or piece.endswith("m"):
                continue
            else:
                self.assertNotIn("\x1b", piece, "an escape sequence that the test does not know")
                rows[row] = piece
        return "\n".join(rows)

    def test_progress(self):
        specs = [f"package-{number}" for number in range(4)]
        with http_channel(self.channel, "--rate", 60_000) as server:
            code, shown = self.on_terminal("create", "-y", "-n", "x", "-c", server, "--override-channels", *specs)
        self.assertEqual(code, 0, shown)
        self.assertIn("Fetching", shown)
        self.assertRegex(shown, r"\d kB / [\d.]+ [kM]B, [\d.]+ [kM]B/s, 0:\d\d left")
        left = self.screen(shown)
        self.assertNotIn("Fetching", left)
        self.assertNotIn("[=", left)
        self.assert_contains(left, "package-0", "Fetched 4 packages", "Done: 4 packages linked")

    def test_narrow_terminal(self):
        with http_channel(self.channel, "--rate", 60_000) as server:
            code, shown = self.on_terminal("create", "-y", "-n", "x", "-c", server, "--override-channels", "package-0", "package-1", columns=52)
        self.assertEqual(code, 0, shown)
        bars = [line for line in re.split(r"\r?\n|\r", re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", shown)) if "[=" in line or "[>" in line]
        self.assertTrue(bars)
        self.assertLess(max(len(line) for line in bars), 53)
        self.assertNotIn("[=", self.screen(shown))

    def test_dumb_terminal_and_quiet(self):
        with http_channel(self.channel) as server:
            code, shown = self.on_terminal("create", "-y", "-n", "x", "-c", server, "--override-channels", "package-0", TERM="dumb")
            self.assertEqual((code, "\x1b" in shown), (0, False), shown)
            code, shown = self.on_terminal("create", "-q", "-y", "-n", "y", "-c", server, "--override-channels", "package-0")
            self.assertEqual((code, shown), (0, ""))

    def test_colours(self):
        code, shown = self.on_terminal("list", "-n", "nowhere")
        self.assertEqual(code, 1)
        self.assertIn("\x1b[1;31merror", shown)
        _, shown = self.on_terminal("list", "-n", "nowhere", NO_COLOR="1")
        self.assertNotIn("\x1b[", shown)
        self.assertNotIn("\x1b", self.envtool("list", "-n", "nowhere", code=1, env={"TERM": "xterm"}).err)

    def test_control_c_takes_the_progress_away(self):
        started = time.monotonic()
        with http_channel(self.channel, "--rate", 5_000) as server:
            # The terminal turns the typed Ctrl-C into SIGINT.
            code, shown = self.on_terminal("create", "-y", "-n", "x", "-c", server, "--override-channels", "package-0", answers=[("Fetching", "\x03")])
        self.assertEqual(code, 130, shown)
        self.assertLess(time.monotonic() - started, 20)
        left = self.screen(shown.replace("^C", ""))
        self.assertNotIn("[>", left)
        self.assertIn("interrupted", left)


if __name__ == "__main__":
    support.main()

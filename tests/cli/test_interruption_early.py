"""Work that changes nothing ends at the first signal: a long solve, and files that never come."""
import json
import os
import pathlib
import signal
import time

import support
from made_channel import Package, write_channel
from support import SUBDIR, CliTest, main, wait_until


def cpu_seconds(process):
    fields = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")



class NothingToUndo(CliTest):
    def ended(self, process, number):
        started = time.monotonic()
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
        self.assertLess(time.monotonic() - started, 2, "slow to stop")
        self.assertEqual(process.returncode, 128 + number, out + err)
        return out, err

    def begin(self, *arguments):
        process = self.start("create", "-n", "x", "--dry-run", "--override-channels", *arguments)
        self.addCleanup(support.end, process)
        return process

    def test_a_solve_that_takes_long(self):
        count = 4000
        made = [("a", i, [f"x =={i}"]) for i in range(count)] + [("b", i, [f"x =={i + count}"]) for i in range(count)]
        made += [("x", i, []) for i in range(2 * count)]
        channel = self.work / "channel"
        for subdir, records in ((SUBDIR, made), ("noarch", [])):
            (channel / subdir).mkdir(parents=True)
            (channel / subdir / "repodata.json").write_text(json.dumps({"info": {"subdir": subdir}, "packages": {}, "packages.conda": {
                f"{name}-{version}-0.conda": {"name": name, "version": str(version), "build": "0", "build_number": 0, "depends": depends,
                                              "subdir": subdir, "size": 10, "sha256": "0" * 64, "md5": "0" * 32}
                for name, version, depends in records}}))
        for number, options in ((signal.SIGINT, ()), (signal.SIGTERM, ("--json",))):
            with self.subTest(signal=number.name):
                process = self.begin("-c", channel, *options, "a", "b")
                # Reading takes a fraction of this, the search for the reasons several times as long.
                wait_until(lambda: cpu_seconds(process) > 1.5)
                self.assertIsNone(process.poll(), "the solve is too short for this test")
                out, err = self.ended(process, number)
                if options:
                    self.assertIs(json.loads(out)["success"], False)
                else:
                    self.assertEqual((out, err), ("", "error: interrupted\n"))

    def test_a_file_that_never_comes(self):
        fifo = self.work / "fifo"
        os.mkfifo(fifo)
        channel = write_channel(self.work / "channel", Package("x"))
        for option in ("--file", "--rc-file", "--virtual-packages"):
            for number in (signal.SIGINT, signal.SIGTERM):
                with self.subTest(option=option, signal=number.name):
                    process = self.begin("-c", channel, option, fifo, *(() if option == "--file" else ("x",)))
                    # Opening is the last thing that it gets to.
                    time.sleep(0.5)
                    self.assertIsNone(process.poll())
                    self.assertEqual(self.ended(process, number), ("", "error: interrupted\n"))


if __name__ == "__main__":
    main()

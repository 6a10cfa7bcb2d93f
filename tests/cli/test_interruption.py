"""Ctrl-C, `kill` and worse, at every stage: the exit code says it, nothing half-made is left, the next run succeeds."""
import os
import signal
import subprocess
import time

import support
from made_channel import Package, write_channel
from support import CliTest, http_channel, manifest, packages, wait_until, without_lock


class Interruption(CliTest):
    def setUp(self):
        super().setUp()
        files = {f"share/big/{number}": os.urandom(200_000) for number in range(10)}
        self.channel = write_channel(self.work / "channel", Package("big", files=files), Package("small", files={"share/small": "x"}))

    def start_create(self, url, *options, **kwargs):
        process = self.start("create", "-y", "-n", "x", "-c", url, "--override-channels", "big", *options, **kwargs)
        self.addCleanup(support.end, process)
        return process

    def wait_for_download(self):
        return wait_until(lambda: [p for p in self.home.cache.rglob("*") if "big" in p.name and p.suffix == ".part" and p.stat().st_size > 0])

    def interrupted(self, process, number, code):
        started = time.monotonic()
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
        self.assertLess(time.monotonic() - started, 3, "slow to stop")
        self.assertEqual(process.returncode, code, out + err)
        self.assertFalse(self.prefix("x").exists())
        self.assertFalse((self.home.path / ".conda/environments.txt").exists())
        self.assert_nothing_left(downloads=True)
        return err


class Download(Interruption):
    def test_signals_during_the_download(self):
        for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)):
            with self.subTest(signal=number.name), http_channel(self.channel, "--rate", 100_000) as server:
                process = self.start_create(server)
                self.wait_for_download()
                error = self.interrupted(process, number, code)
                self.assertIn("interrupted", error)
                for part in self.wait_for_download():
                    part.unlink()

    def test_the_next_run_goes_on(self):
        log = self.work / "access.log"
        with http_channel(self.channel, "--rate", 300_000, "--access-log", log) as server:
            process = self.start_create(server)
            part = self.wait_for_download()[0]
            wait_until(lambda: part.stat().st_size > 300_000)
            self.interrupted(process, signal.SIGINT, 130)
            self.assertEqual(self.start_create(server).wait(timeout=60), 0)
        self.assertEqual(set(packages(self.prefix("x"))), {"big"})
        requests = [line for line in log.read_text().splitlines() if "big-1.0" in line]
        self.assertIn(" 206 ", requests[-1])
        self.assert_nothing_left()

    def test_json(self):
        with http_channel(self.channel, "--rate", 100_000) as server:
            process = self.start_create(server, "--json")
            self.wait_for_download()
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=30)
        self.assertEqual(process.returncode, 130)
        document = support.Result(130, out, err).json()
        self.assertEqual((document["success"], document["exception_name"]), (False, "CondaSignalInterrupt"))

    def test_second_signal_changes_nothing(self):
        with http_channel(self.channel, "--rate", 100_000) as server:
            process = self.start_create(server)
            self.wait_for_download()
            for _ in range(5):
                process.send_signal(signal.SIGINT)
            process.communicate(timeout=30)
        self.assertEqual(process.returncode, 130)
        self.assert_nothing_left(downloads=True)

    def test_while_the_index_is_fetched(self):
        with http_channel(self.channel, "--rate", 10) as server:
            process = self.start_create(server)
            wait_until(lambda: self.home.cache.exists() or self.root.exists() and any(self.root.rglob("*")))
            time.sleep(0.2)
            self.interrupted(process, signal.SIGINT, 130)

    def test_while_waiting_for_the_next_try(self):
        process = self.start_create("http://127.0.0.1:9/nothing", env={"CONDA_REMOTE_MAX_RETRIES": "9"})
        time.sleep(1)
        self.interrupted(process, signal.SIGTERM, 143)

    def test_killed_during_the_download(self):
        with http_channel(self.channel, "--rate", 300_000) as server:
            process = self.start_create(server)
            self.wait_for_download()
            process.kill()
            process.communicate()
            self.assertFalse(self.prefix("x").exists())
            self.envtool("create", "-y", "-n", "x", "-c", server, "--override-channels", "big")
        self.assert_nothing_left()

    def test_clean_takes_parts_away(self):
        with http_channel(self.channel, "--rate", 100_000) as server:
            process = self.start_create(server)
            self.wait_for_download()
            self.interrupted(process, signal.SIGINT, 130)
        self.envtool("clean", "-y", "--all")
        self.assert_nothing_left()


class Change(Interruption):
    """Killed, stopped or failing at the doors where an existing environment changes."""

    def setUp(self):
        super().setUp()
        self.envtool("create", "-y", "-n", "e", "-c", self.channel, "--override-channels", "small")
        self.env = self.prefix("e")
        self.old = self.content()
        self.mine = self.env / "mine.txt"
        self.mine.write_text("mine")
        self.envtool("create", "-y", "-n", "new", "-c", self.channel, "--override-channels", "small", "big")
        self.new = self.content(self.prefix("new"))

    def content(self, env=None):
        return {path: entry for path, entry in without_lock(manifest(env or self.env)).items()
                if not path.startswith("conda-meta") and path != "mine.txt"}

    def require_failpoints(self):
        probe = self.envtool("install", "-y", "-n", "e", "-c", self.channel, "--override-channels", "small", code=None,
                             env={"ENVTOOL_FAILPOINT": "nonsense"})
        if probe.code >= 0:
            self.skipTest("this binary has no fail points (built without ENVTOOL_FAILPOINTS)")

    def install(self, failpoint):
        return self.envtool("install", "-y", "-n", "e", "-c", self.channel, "--override-channels", "big", code=None,
                            env={"ENVTOOL_FAILPOINT": failpoint})

    def reset(self):
        self.envtool("remove", "-y", "-n", "e", "big", code=None)
        self.assertEqual(self.content(), self.old)

    def test_killed_at_many_points(self):
        self.require_failpoints()
        outcomes = set()
        for number in [*range(1, 60, 4), *range(60, 400, 23)]:
            result = self.install(f"any:{number}:kill")
            if result.code == 0:
                break
            self.assertEqual(result.code, -signal.SIGKILL, result)
            # One ordinary command later the environment is old or new.
            self.envtool("list", "-n", "e")
            content = self.content()
            self.assertIn(content, (self.old, self.new), f"mixed after a kill at {number}")
            self.assertEqual("big" in packages(self.env), content == self.new)
            self.assertEqual(self.mine.read_text(), "mine")
            outcomes.add(content == self.new)
            self.reset()
        else:
            self.fail("the install has more points than this test looks at")
        self.assertEqual(outcomes, {True, False})
        self.assert_nothing_left()

    def test_disk_full_at_many_points(self):
        self.require_failpoints()
        for number in [*range(1, 60, 4), *range(60, 400, 23)]:
            result = self.install(f"any:{number}:ENOSPC")
            if result.code == 0 and "any" not in result.err:
                content = self.content()
                self.assertEqual(content, self.new)
            else:
                self.assertEqual(result.code, 1, result)
                self.envtool("list", "-n", "e")
                self.assertIn(self.content(), (self.old, self.new), f"mixed after ENOSPC at {number}")
            self.assertEqual(self.mine.read_text(), "mine")
            self.reset()

    def test_processes_take_turns(self):
        processes = [self.start("install" if number % 2 else "remove", "-y", "-n", "e", *(
            ["-c", self.channel, "--override-channels"] if number % 2 else []), "big") for number in range(6)]
        for process in processes:
            self.addCleanup(support.end, process)
        for process in processes:
            out, err = process.communicate(timeout=120)
            if process.returncode != 0:
                # Somebody else was quicker: nothing to remove, or the environment is no longer what the plan was made for.
                self.assertIn(process.returncode, (1, 75), out + err)
                self.assertRegex(err, "not installed|changed meanwhile|another process|no longer")
        self.assertIn(self.content(), (self.old, self.new))
        self.assert_nothing_left()

    def test_many_at_once_from_one_cold_cache(self):
        log = self.work / "access.log"
        with http_channel(self.channel, "--access-log", log) as server:
            processes = [self.start("create", "-y", "-n", f"n{number}", "-c", server, "--override-channels", "big", stdout=subprocess.DEVNULL)
                         for number in range(8)]
            for process in processes:
                self.addCleanup(support.end, process)
            for process in processes:
                _, err = process.communicate(timeout=120)
                self.assertEqual(process.returncode, 0, err)
        for number in range(8):
            self.assertEqual(set(packages(self.prefix(f"n{number}"))), {"big"})
        asked = [line for line in log.read_text().splitlines() if "big-1.0" in line]
        self.assertLessEqual(len(asked), 1)
        self.assert_nothing_left()


if __name__ == "__main__":
    support.main()

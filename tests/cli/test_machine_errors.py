"""What the machine may do to us: full disks, read-only places, missing homes, readers that go away."""
import os
import pathlib
import resource
import subprocess
import unittest

import support
from made_channel import Package, write_channel
from support import CHANNEL, CliTest, files_of_packages, manifest, packages, without_lock


class Mounted:
    """A small file system in memory; skips where mounting is not allowed."""

    def __init__(self, test, folder, options):
        folder.mkdir(parents=True)
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True, text=True)
        if done.returncode != 0:
            raise unittest.SkipTest(f"tmpfs cannot be mounted here: {done.stderr.strip()}")
        self.folder = folder
        test.addCleanup(subprocess.run, ["umount", folder], check=True)

    def remount(self, options):
        subprocess.run(["mount", "-o", f"remount,{options}", self.folder], check=True)


class FullDisk(CliTest):
    def channel(self, megabytes=4):
        content = {f"share/p/{number}": os.urandom(1 << 20) for number in range(megabytes)}
        return write_channel(self.work / "channel", Package("p", files=content), Package("small", files={"share/small": "x"}))

    def fails(self, *arguments, **kwargs):
        result = self.envtool(*arguments, code=1, **kwargs)
        self.assertRegex(result.err, "ENOSPC|[Nn]o space|not enough space|cannot take so many files")
        return result

    def test_cache_too_small(self):
        channel = self.channel()
        small = Mounted(self, self.work / "small", "size=3m").folder
        result = self.fails("create", "-y", "-n", "x", "-c", channel, "--override-channels", "p", env={"CONDA_PKGS_DIRS": str(small / "pkgs")})
        self.assertIn(str(small), result.err)
        self.assertFalse(self.prefix("x").exists())
        self.assert_nothing_left(self.root)
        left = [path for path in small.rglob("*") if path.is_file() and path.stat().st_size > 100_000]
        self.assertEqual(left, [])

    def test_environment_too_small(self):
        channel = self.channel()
        small = Mounted(self, self.work / "small", "size=3m").folder
        result = self.fails("create", "-y", "-p", small / "env", "-c", channel, "--override-channels", "p")
        self.assertIn(str(small), result.err)
        self.assertEqual(list(small.iterdir()), [])

    def test_no_inodes(self):
        channel = write_channel(self.work / "channel", Package("p", files={f"share/{number}": str(number) for number in range(300)}))
        small = Mounted(self, self.work / "small", "size=30m,nr_inodes=200").folder
        self.fails("create", "-y", "-p", small / "env", "-c", channel, "--override-channels", "p")
        self.assertEqual(list(small.iterdir()), [])

    def test_full_before_a_change(self):
        channel = self.channel()
        mounted = Mounted(self, self.work / "small", "size=12m")
        env = mounted.folder / "env"
        self.envtool("create", "-y", "-p", env, "-c", channel, "--override-channels", "small")
        before = without_lock(manifest(env))
        (mounted.folder / "filler").write_bytes(bytes(11 << 20))
        self.fails("install", "-y", "-p", env, "-c", channel, "--override-channels", "p")
        self.assert_same_tree(without_lock(manifest(env)), before)
        (mounted.folder / "filler").unlink()
        self.envtool("install", "-y", "-p", env, "-c", channel, "--override-channels", "p")
        self.assertEqual(set(packages(env)), {"small", "p"})

    def test_every_size_is_old_or_new(self):
        channel = self.channel(2)
        for kilobytes in range(200, 2800, 400):
            with self.subTest(kilobytes=kilobytes):
                mounted = Mounted(self, self.work / f"small-{kilobytes}", f"size={kilobytes}k")
                env = mounted.folder / "env"
                result = self.envtool("create", "-y", "-p", env, "-c", channel, "--override-channels", "p", code=None)
                if result.code == 0:
                    self.assertEqual(len(list((env / "share/p").iterdir())), 2)
                else:
                    self.assertEqual(list(mounted.folder.iterdir()), [])


class ReadOnly(CliTest):
    def test_root_prefix(self):
        mounted = Mounted(self, self.root, "size=4m")
        mounted.remount("ro")
        command = ("create", "-y", "-n", "x", "-c", CHANNEL, "--override-channels", "demo-lib")
        for arguments, variables in ((command, {"CONDA_PKGS_DIRS": str(self.root / "pkgs")}),
                                     (("create", "-y", "-p", self.root / "envs/x", *command[4:]), {})):
            with self.subTest(arguments=arguments):
                result = self.envtool(*arguments, code=1, env=variables)
                self.assertIn(str(self.root), result.err)
                self.assertRegex(result.err, "EROFS|read-only|Read-only|writ")
        self.assertEqual(self.envtool("env", "list", "--json").json()["envs"], [])
        self.envtool("info")
        # An installation that somebody else keeps: one's own folders come next, as with conda.
        self.envtool(*command)
        self.assertEqual(self.envtool("env", "list", "--json").json()["envs"], [str(self.home.path / ".conda/envs/x")])
        self.assertEqual(list(self.root.iterdir()), [])

    def test_root_prefix_of_another_user(self):
        if os.geteuid() != 0:
            self.skipTest("needs root to become another user")
        self.root.mkdir()
        self.home.path.chmod(0o755)
        self.work.chmod(0o777)
        # The parent folder has mode 0700: it is made passable, too.
        binary = self.home.path / "envtool"
        binary.write_bytes(pathlib.Path(support.ENVTOOL).read_bytes())
        binary.chmod(0o755)
        done = subprocess.run([binary, "create", "-y", "-n", "x", "-c", CHANNEL, "--override-channels", "demo-lib"], capture_output=True,
                              text=True, env=self.environ, cwd=self.work, user="nobody", group="nogroup", extra_groups=[])
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertRegex(done.stderr, "EACCES|ermission|writ")
        self.assertIn("hint: ", done.stderr)

    def test_environment_can_be_used(self):
        mounted = Mounted(self, self.root, "size=8m")
        env = self.create("x", "demo-app")
        mounted.remount("ro")
        self.assertEqual(self.envtool("run", "-n", "x", "demo-app").out, "demo-app 2.0 with demo-lib 2.0\n")
        self.assertIn("demo-app", self.envtool("list", "-n", "x").out)
        self.envtool("shell", "activate", "-s", "bash", "x")
        self.envtool("env", "export", "-n", "x")
        self.envtool("remove", "-y", "-n", "x", "demo-app", code=1)
        self.envtool("env", "remove", "-y", "-n", "x", code=1)
        self.assertTrue(env.exists())

    def test_shared_cache_that_cannot_be_written(self):
        self.create("x", "demo-app")
        mounted = Mounted(self, self.work / "shared", "size=8m")
        subprocess.run(["cp", "-a", self.home.cache, mounted.folder / "pkgs"], check=True)
        mounted.remount("ro")
        cache = f"{self.work}/own,{mounted.folder}/pkgs"
        with support.http_channel() as server:
            self.envtool("create", "-y", "-n", "y", "-c", server, "--override-channels", "demo-app", env={"CONDA_PKGS_DIRS": cache})
        self.assertEqual(self.run_in(self.prefix("y"), "demo-app"), "demo-app 2.0 with demo-lib 2.0\n")


class Home(CliTest):
    def test_home_that_cannot_be_written(self):
        mounted = Mounted(self, self.work / "home", "size=1m")
        mounted.remount("ro")
        self.envtool("create", "-y", "-n", "x", "-c", CHANNEL, "--override-channels", "demo-app", env={"HOME": str(mounted.folder)})
        self.assertEqual(self.run_in(self.prefix("x"), "demo-app"), "demo-app 2.0 with demo-lib 2.0\n")

    def test_home_that_is_not_set(self):
        del self.environ["HOME"]
        self.envtool("create", "-y", "-n", "x", "-c", CHANNEL, "--override-channels", "demo-app")

    def test_temporary_folder_that_is_not_there(self):
        self.envtool("create", "-y", "-n", "x", "-c", CHANNEL, "--override-channels", "demo-app", env={"TMPDIR": "/no/such/folder"})

    def test_environment_and_cache_on_different_file_systems(self):
        mounted = Mounted(self, self.work / "other", "size=20m")
        env = mounted.folder / "env"
        self.envtool("create", "-y", "-p", env, "-c", CHANNEL, "--override-channels", "demo-app", "activation-demo", "generic-demo")
        self.assertEqual(self.run_in(env, "demo-app"), "demo-app 2.0 with demo-lib 2.0\n")
        same = self.create("same", "demo-app", "activation-demo", "generic-demo")
        self.assert_same_tree(files_of_packages(env), files_of_packages(same))

    def test_few_open_files(self):
        made = [Package(f"p{number}", files={f"share/{number}/{i}": str(i) for i in range(20)}) for number in range(30)]
        channel = write_channel(self.work / "channel", *made)
        process = self.start("create", "-y", "-n", "x", "-c", channel, "--override-channels", *(p.name for p in made),
                             preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64)))
        out, err = process.communicate(timeout=120)
        self.assertEqual(process.returncode, 0, out + err)


class Readers(CliTest):
    """Whoever reads our output may stop."""

    def test_reader_that_goes_away(self):
        self.create("x", "demo-app")
        for command in (["list", "-n", "x"], ["env", "list"], ["info"], ["--help"], ["list", "-n", "x", "--json"]):
            with self.subTest(command=command):
                read, write = os.pipe()
                os.close(read)
                process = self.start(*command, stdout=write)
                os.close(write)
                _, err = process.communicate(timeout=30)
                self.assertNotIn(process.returncode, (0, -6, -11), err)
                self.assertNotIn("bug", err)

    def test_reader_that_goes_away_during_a_change(self):
        read, write = os.pipe()
        os.close(read)
        process = self.start("create", "-y", "-n", "x", "-c", CHANNEL, "--override-channels", "demo-app", stdout=write)
        os.close(write)
        process.communicate(timeout=60)
        # All or nothing.
        self.assertEqual(self.prefix("x").exists(), (self.prefix("x") / "bin/demo-app").exists())
        self.assert_nothing_left()

    def test_closed_and_full_standard_output(self):
        for target in ("&-", "/dev/full"):
            with self.subTest(target=target):
                self.create("x" if target == "&-" else "y", "demo-lib")
                done = subprocess.run(["sh", "-c", f'"$0" list -n x >{target}', support.ENVTOOL], capture_output=True, text=True,
                                      env=self.environ, timeout=60)
                self.assertEqual(done.returncode, 1)
                self.assertIn("standard output", done.stderr)

    def test_closed_standard_error(self):
        done = subprocess.run(["sh", "-c", f'"$0" create -y -n x -c {CHANNEL} --override-channels demo-lib 2>&-', support.ENVTOOL],
                              capture_output=True, text=True, env=self.environ, timeout=60)
        self.assertEqual(done.returncode, 0)
        self.assertEqual(set(packages(self.prefix("x"))), {"demo-lib"})

    def test_everything_closed(self):
        done = subprocess.run(["sh", "-c", f'"$0" create -y -n x -c {CHANNEL} --override-channels demo-app <&- >&- 2>&-', support.ENVTOOL],
                              env=self.environ, timeout=60)
        self.assertIn(done.returncode, (0, 1))
        if self.prefix("x").exists():
            # No file of the environment may have been opened in the place of standard output.
            self.assertEqual(self.run_in(self.prefix("x"), "demo-app"), "demo-app 2.0 with demo-lib 2.0\n")
        self.assert_nothing_left()


if __name__ == "__main__":
    support.main()

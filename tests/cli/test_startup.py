"""The binary itself: it runs from anywhere, with nothing in its environment, at once."""
import os
import pathlib
import shutil
import subprocess
import time

import support
from support import CHANNEL, CliTest


class Startup(CliTest):
    def test_version(self):
        for option in ("--version", "-V"):
            result = self.envtool(option)
            self.assertRegex(result.out, r"^envtool \d+\.\d+\.\d+\n$")
            self.assertEqual(result.err, "")

    def test_version_is_that_of_the_project(self):
        text = (support.ROOT / "CMakeLists.txt").read_text()
        version = text[text.index("VERSION", text.index("project(")):].split()[1].strip(")")
        self.assertEqual(self.envtool("--version").out, f"envtool {version}\n")

    def test_copied_elsewhere_with_an_empty_environment(self):
        folder = self.work / "a folder"
        folder.mkdir()
        binary = shutil.copy2(support.ENVTOOL, folder / "envtool")
        done = subprocess.run([binary, "--version"], env={}, cwd="/", capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        root = self.work / "root"
        for arguments in (["create", "-y", "-n", "x", "-c", str(CHANNEL), "--override-channels", "demo-app"], ["run", "-n", "x", "demo-app"]):
            done = subprocess.run([binary, *arguments, "-r", str(root)] if arguments[0] != "run" else [binary, "-r", str(root), *arguments],
                                  env={}, cwd="/", capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout, "demo-app 2.0 with demo-lib 2.0\n")

    def test_installed(self):
        """What `cmake --install` puts into a place."""
        build = pathlib.Path(support.ENVTOOL).resolve().parent
        if not (build / "cmake_install.cmake").exists():
            self.skipTest("the binary is not in a build folder")
        place = self.work / "usr"
        done = subprocess.run(["cmake", "--install", build, "--prefix", place], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        binary = place / "bin/envtool"
        moved = self.work / "moved"
        place.rename(moved)
        done = subprocess.run([moved / "bin/envtool", "--version"], env={}, cwd="/", capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stdout), (0, self.envtool("--version").out), done.stderr)
        self.assertFalse(binary.exists())
        # Nothing of the build folder may be needed at run time.
        self.assertNotIn(str(build).encode(), subprocess.run(["readelf", "-d", moved / "bin/envtool"], capture_output=True).stdout)

    def test_found_by_the_hook_wherever_it_is(self):
        binary = self.work / "it's here/envtool"
        binary.parent.mkdir()
        shutil.copy2(support.ENVTOOL, binary)
        link = self.work / "link"
        link.symlink_to(binary)
        for program in (binary, link):
            done = subprocess.run(["bash", "-c", 'eval "$("$0" shell hook -s bash)"; envtool --version', program], env=self.environ,
                                  capture_output=True, text=True)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertIn("envtool ", done.stdout)

    def test_starts_at_once(self):
        self.create("x", "demo-lib")
        for command in (["--version"], ["shell", "hook", "-s", "bash"], ["shell", "activate", "-s", "bash", "x"], ["run", "-n", "x", "true"]):
            times = []
            for _ in range(7):
                started = time.monotonic()
                self.envtool(*command)
                times.append(time.monotonic() - started)
            # Generous for debug builds with sanitizers on a busy machine; a human notices 0.1 s.
            self.assertLess(min(times), 0.5, command)

    def test_no_network_and_no_files_for_the_version(self):
        if shutil.which("strace") is None:
            self.skipTest("strace is not installed")
        trace = self.work / "trace"
        done = subprocess.run(["strace", "-f", "-o", trace, "-e", "trace=socket,openat,mkdir", support.ENVTOOL, "--version"], env=self.environ,
                              capture_output=True, text=True)
        if not trace.exists() or done.returncode != 0 and "ptrace" in done.stderr:
            self.skipTest(f"strace may not trace here: {done.stderr.strip()}")
        lines = [line for line in trace.read_text().splitlines() if "socket(" in line or "O_CREAT" in line or "mkdir(" in line]
        self.assertEqual(lines, [])
        self.assertEqual([path.name for path in self.home.path.iterdir()], ["work"])

    def test_offline_opens_no_socket(self):
        if shutil.which("strace") is None:
            self.skipTest("strace is not installed")
        trace = self.work / "trace"
        done = subprocess.run(["strace", "-f", "-o", trace, "-e", "trace=socket,connect", support.ENVTOOL, "create", "-y", "-n", "x", "--offline", "-c",
                               str(CHANNEL), "--override-channels", "demo-app"], env=self.environ, capture_output=True, text=True)
        if not trace.exists() or "ptrace" in done.stderr:
            self.skipTest(f"strace may not trace here: {done.stderr.strip()}")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual([line for line in trace.read_text().splitlines() if "AF_INET" in line], [])

    def test_root_prefix_by_default(self):
        del self.environ["ENVTOOL_ROOT_PREFIX"]
        self.envtool("create", "-y", "-n", "x", "-c", CHANNEL, "--override-channels", "demo-app")
        self.assertTrue((self.home.path / ".envtool/envs/x/bin/demo-app").exists())
        self.assertTrue((self.home.path / ".envtool/pkgs").is_dir())
        mode = os.stat(self.home.path / ".envtool/envs/x").st_mode & 0o777
        self.assertEqual(mode, 0o755)


if __name__ == "__main__":
    support.main()

"""The `pip:` section: installed by the environment's own pip, offline where asked, and nothing half-made when it fails."""
import base64
import hashlib
import zipfile

import support
from support import CHANNEL, CliTest, packages


def write_wheel(folder, name, version, requires=()):
    """A wheel with one module that prints its version, and a console script."""
    module = name.replace("-", "_")
    info = f"{module}-{version}.dist-info"
    content = {
        f"{module}.py": f"__version__ = '{version}'\ndef main():\n    print('{name}', __version__)\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n" + "".join(f"Requires-Dist: {r}\n" for r in requires),
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": f"[console_scripts]\n{name} = {module}:main\n"}
    record = "".join(f"{path},sha256={base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b'=').decode()},{len(text)}\n"
                     for path, text in content.items()) + f"{info}/RECORD,,\n"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{module}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in {**content, f"{info}/RECORD": record}.items():
            archive.writestr(name, text)
    return path


class Pip(CliTest):
    shares_cache = True

    def setUp(self):
        super().setUp()
        self.wheels = self.work / "project/wheels"
        write_wheel(self.wheels, "shout", "1.0", ["whisper>=1"])
        write_wheel(self.wheels, "shout", "2.0", ["whisper>=1"])
        write_wheel(self.wheels, "whisper", "1.5")

    def environment_file(self, *lines, conda=("python=3.11", "pip"), name="e"):
        text = f"name: {name}\nchannels: ['{CHANNEL}', nodefaults]\ndependencies:\n" + "".join(f"  - {spec}\n" for spec in conda)
        if lines:
            text += "  - pip:\n" + "".join(f"    - {line}\n" for line in lines)
        return self.write("project/environment.yml", text)


class Local(Pip):
    def test_wheels_of_a_folder(self):
        # The paths belong to the file's folder, wherever the command runs.
        file = self.environment_file("--no-index", "--find-links ./wheels", "shout<2")
        result = self.envtool("create", "-y", "-f", file, "--offline", code=None)
        if result.code != 0:  # the first test of the class has to fetch; offline means the packages as well
            self.assertIn("offline", result.err)
            result = self.envtool("create", "-y", "-f", file)
        env = self.prefix("e")
        self.assertIn("Installing the `pip:` section", result.err)
        self.assertEqual(self.run_in(env, "shout"), "shout 1.0\n")
        self.assertTrue((env / "bin/shout").read_text().startswith(f"#!{env}/bin/python"))

        listed = {item["name"]: (item["version"], item["channel"]) for item in self.envtool("list", "-n", "e", "--json").json()}
        self.assertEqual((listed["shout"], listed["whisper"]), (("1.0", "pypi"), ("1.5", "pypi")))
        self.assertEqual(listed["pip"][1], CHANNEL.as_uri())
        self.assertRegex(self.envtool("list", "-n", "e").out, r"shout +1\.0 +pypi_0 +pypi\n")
        self.assertNotIn("shout", self.envtool("list", "-n", "e", "--no-pip").out)

        text = self.envtool("env", "export", "-n", "e").out
        self.assert_contains(text, "  - pip:\n", "    - shout==1.0\n", "    - whisper==1.5\n")
        self.write("exported.yml", text)
        self.envtool("create", "-y", "-n", "again", "-f", "exported.yml", env={"PIP_FIND_LINKS": str(self.wheels), "PIP_NO_INDEX": "1"})
        self.assertEqual(self.run_in(self.prefix("again"), "shout"), "shout 1.0\n")
        self.assertEqual(packages(self.prefix("again")), packages(env))

    def test_requirements_file_beside_it(self):
        self.write("project/requirements.txt", "--no-index\n--find-links ./wheels\n-r more.txt\n")
        self.write("project/more.txt", "whisper\n")
        self.envtool("create", "-y", "-f", self.environment_file("-r requirements.txt", name="r"))
        self.assertEqual(self.run_in(self.prefix("r"), "whisper"), "whisper 1.5\n")

    def test_wheel_by_path(self):
        self.envtool("create", "-y", "-f", self.environment_file("./wheels/whisper-1.5-py3-none-any.whl", name="w"))
        self.assertEqual(self.run_in(self.prefix("w"), "whisper"), "whisper 1.5\n")
        self.assertIn(f"whisper @ {(self.wheels / 'whisper-1.5-py3-none-any.whl').as_uri()}", self.envtool("env", "export", "-n", "w").out)

    def test_failure_leaves_no_environment(self):
        file = self.environment_file("--no-index", "--find-links ./wheels", "no-such-package==3")
        result = self.envtool("create", "-y", "-f", file, code=1)
        self.assert_contains(result.err, "no-such-package", "environment.yml", "exit code 1")
        self.assertFalse(self.prefix("e").exists())
        self.assertFalse((self.home.path / ".conda/environments.txt").exists() and (self.home.path / ".conda/environments.txt").read_text())
        self.assert_nothing_left()
        result = self.envtool("create", "--json", "-f", file, code=1)
        document = result.json()
        self.assertEqual((document["success"], document["exception_name"]), (False, "CondaEnvException"))
        self.assertFalse(self.prefix("e").exists())

    def test_failed_replacement_keeps_the_old_environment(self):
        env = self.create("e", "demo-app")
        file = self.environment_file("--no-index", "no-such-package==3")
        self.envtool("create", "-y", "-f", file, code=1)
        self.assertEqual(self.run_in(env, "demo-app"), "demo-app 2.0 with demo-lib 2.0\n")

    def test_failure_on_update(self):
        self.envtool("create", "-y", "-f", self.environment_file(name="u"))
        self.envtool("env", "update", "-y", "-f", self.environment_file("--no-index", "no-such-package==3", name="u"), code=1)
        self.assertIn("pip 23", self.run_in(self.prefix("u"), "pip", "--version"))
        self.envtool("env", "update", "-y", "-f", self.environment_file("--no-index", "--find-links ./wheels", "whisper", name="u"))
        self.assertEqual(self.run_in(self.prefix("u"), "whisper"), "whisper 1.5\n")

    def test_pip_is_added_when_the_file_forgot_it(self):
        file = self.environment_file("--no-index", "--find-links ./wheels", "whisper", conda=["python=3.11"], name="f")
        result = self.envtool("create", "-y", "-f", file)
        self.assertRegex(result.err, "warning: .*pip")
        self.assertIn("pip", packages(self.prefix("f")))

    def test_without_pip(self):
        file = self.environment_file("--no-index", "no-such-package==3", name="n")
        self.envtool("create", "-y", "-f", file, "--no-pip")
        self.assertTrue(self.prefix("n").exists())

    def test_one_document(self):
        file = self.environment_file("--no-index", "--find-links ./wheels", "whisper", name="j")
        document = self.envtool("create", "--json", "-f", file).json()
        self.assertIs(document["success"], True)
        self.assertEqual(self.run_in(self.prefix("j"), "whisper"), "whisper 1.5\n")

    def test_python_of_the_user_does_not_leak_in(self):
        # A sitecustomize or a package in PYTHONPATH or ~/.local must not count as installed.
        self.write("leak/whisper.py", "raise SystemExit('leaked')\n")
        write_wheel(self.work / "leak", "whisper", "9.0")
        site = self.home.path / ".local/lib/python3.11/site-packages"
        site.mkdir(parents=True)
        with zipfile.ZipFile(self.work / "leak/whisper-9.0-py3-none-any.whl") as archive:
            archive.extractall(site)
        file = self.environment_file("--no-index", "--find-links ./wheels", "whisper", name="l")
        self.envtool("create", "-y", "-f", file, env={"PYTHONPATH": str(self.work / "leak")})
        self.assertTrue((self.prefix("l") / "lib/python3.11/site-packages/whisper.py").is_file())

    def test_removed_with_the_environment_but_not_with_a_package(self):
        self.envtool("create", "-y", "-f", self.environment_file("--no-index", "--find-links ./wheels", "whisper", conda=["python=3.11", "pip", "six"], name="k"))
        self.envtool("remove", "-y", "-n", "k", "six")
        self.assertEqual(self.run_in(self.prefix("k"), "whisper"), "whisper 1.5\n")
        self.envtool("env", "remove", "-y", "-n", "k")
        self.assertFalse(self.prefix("k").exists())


class FromTheIndex(Pip):
    def test_example(self):
        if not support.pypi_reached():
            self.skipTest("the Python package index is not reached from here")
        self.envtool("create", "-y", "-f", support.ROOT / "environment-examples/pip-section.yml", "-c", CHANNEL, timeout=600)
        env = self.prefix("pip-section")
        out = self.run_in(env, "python", "-c", "import tabulate, humanize; print(tabulate.__version__, humanize.naturalsize(3000))")
        self.assertEqual(out, "0.9.0 3.0 kB\n")
        listed = {item["name"]: item["channel"] for item in self.envtool("list", "-n", "pip-section", "--json").json()}
        self.assertEqual(listed["tabulate"], "pypi")


if __name__ == "__main__":
    support.main()

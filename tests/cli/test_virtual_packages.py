"""`--virtual-packages`, `info --virtual-packages`: solving for a machine that is another than this one."""
import json

import support
from made_channel import Package, write_channel
from support import OTHER_SUBDIR, SUBDIR, CliTest


class Profiles(CliTest):
    def setUp(self):
        super().setUp()
        # The machine of the tests has no say.
        for name in ("CUDA", "CUDA_ARCH", "GLIBC", "LINUX", "ARCHSPEC", "OSX", "WIN"):
            self.environ.pop(f"CONDA_OVERRIDE_{name}", None)
        self.channel = write_channel(
            self.work / "channel",
            Package("torch", "2.0", build="cpu_0"), Package("torch", "2.0", build="cuda_1", depends=["__cuda >=12"]),
            Package("kernel", "1.0", build="any_0"), Package("kernel", "1.0", build="sm90_1", depends=["__cuda_arch >=9.0"]),
            Package("modern", "2", depends=["__glibc >=2.34"]), Package("modern", "1"),
            Package("tuned", "1.0", build="base_0"), Package("tuned", "1.0", build="v4_1", depends=["__archspec * x86_64_v4"]))

    def solve(self, *arguments, env=None):
        """Names and builds of what a new environment would get."""
        document = self.envtool("create", "-n", "e", "--dry-run", "--json", "-c", self.channel, "--override-channels", *arguments, env=env).json()
        return {item["name"]: item["build"] for item in document["actions"]["LINK"]}

    def refused(self, text, *parts, arguments=(), place=""):
        path = self.write("bad.yml", text)
        result = self.envtool("create", "-n", "e", "--dry-run", "-c", self.channel, "--override-channels", "torch", "--virtual-packages", "bad.yml",
                              *arguments, code=1)
        self.assert_contains(result.err, f"{path}{place}", *parts)

    def test_file_of_this_machine_changes_nothing(self):
        text = self.envtool("info", "--virtual-packages").out
        self.write("machine.yml", text)
        self.assertEqual(self.envtool("info", "--virtual-packages", env={"ENVTOOL_VIRTUAL_PACKAGES": "machine.yml"}).out, text)
        self.assert_contains(text, f"platform: {SUBDIR}", "__glibc:", "__linux:", "__unix:", "__archspec:")
        document = self.envtool("info", "--virtual-packages", "--json").json()
        self.write("machine.json", json.dumps(document))
        self.assertEqual(self.envtool("info", "--virtual-packages", env={"ENVTOOL_VIRTUAL_PACKAGES": "machine.json"}).out, text)
        self.assertEqual(self.solve("torch", "--virtual-packages", "machine.json"), self.solve("torch"))

    def test_node_with_a_card(self):
        self.write("gpu.yml", f'platform: {SUBDIR}\npackages:\n  __cuda: "12.4"\n  __cuda_arch: "9.0"\n  __glibc: "2.28"\n')
        names = ("torch", "kernel", "modern")
        self.assertEqual(self.solve(*names, "--virtual-packages", "gpu.yml"), {"torch": "cuda_1", "kernel": "sm90_1", "modern": "0"})
        self.assertEqual(self.solve("torch", env={"ENVTOOL_VIRTUAL_PACKAGES": "gpu.yml"}), {"torch": "cuda_1"})
        self.write("rc", f"virtual_packages: {self.work}/gpu.yml\n")
        self.assertEqual(self.solve("torch", "--rc-file", "rc"), {"torch": "cuda_1"})
        # Packages that the node cannot use are no candidates.
        result = self.envtool("create", "-n", "e", "--dry-run", "-c", self.channel, "--override-channels", "modern=2", "--virtual-packages", "gpu.yml", code=1)
        self.assert_contains(result.err, "__glibc >=2.34", "2.28")

    def test_variables_come_first(self):
        self.write("gpu.yml", 'packages: {__cuda: "12.4", __cuda_arch: "9.0"}')
        self.assertEqual(self.solve("torch", "--virtual-packages", "gpu.yml", env={"CONDA_OVERRIDE_CUDA": ""}), {"torch": "cpu_0"})
        self.assertEqual(self.solve("torch", "--virtual-packages", "gpu.yml", env={"CONDA_OVERRIDE_CUDA": "11.8"}), {"torch": "cpu_0"})
        self.assertEqual(self.solve("kernel", "--virtual-packages", "gpu.yml", env={"CONDA_OVERRIDE_CUDA_ARCH": "8.6"}), {"kernel": "any_0"})
        self.assertEqual(self.solve("kernel", "--virtual-packages", "gpu.yml", env={"CONDA_OVERRIDE_CUDA": ""}), {"kernel": "any_0"})

    def test_named_profiles(self):
        self.write("nodes.yml", f"""profiles:
  login: {{platform: {SUBDIR}, packages: {{__glibc: "2.36"}}}}
  gpu: {{platform: {SUBDIR}, packages: {{__glibc: "2.28", __cuda: "12.4"}}}}
  mac: {{platform: osx-arm64, packages: {{__osx: "14.0"}}}}
""")
        self.assertEqual(self.solve("torch", "--virtual-packages", "nodes.yml#gpu"), {"torch": "cuda_1"})
        self.assertEqual(self.solve("torch", "--virtual-packages", "nodes.yml#login"), {"torch": "cpu_0"})
        self.assertEqual(self.solve("torch", "--virtual-packages", "nodes.yml", "--platform", "osx-arm64"), {"torch": "cpu_0"})
        for chosen, *parts in (("nodes.yml", "which profile?", "`login`", "nodes.yml#login"), ("nodes.yml#gpus", "no profile `gpus`", "`gpu`"),
                               ("nodes.yml#mac", "another platform", "osx-arm64", SUBDIR), ("none.yml", "none.yml")):
            result = self.envtool("create", "-n", "e", "--dry-run", "-c", self.channel, "torch", "--virtual-packages", chosen, code=1)
            self.assert_contains(result.err, *parts)

    def test_lock_for_several_machines(self):
        self.write("machines.yml", """subdirs:
  linux-64: {packages: {__glibc: 2.28, __cuda: "12.4"}}
  osx-arm64: {packages: {__osx: "13.0"}}
""")
        self.write("environment.yml", f"channels: ['{self.channel}', nodefaults]\ndependencies: [torch]\n")
        self.envtool("lock", "--virtual-packages", "machines.yml", "--platform", "linux-64", "--platform", "osx-arm64")
        text = (self.work / "conda-lock.yml").read_text()
        self.assert_contains(text, "torch-2.0-cuda_1", "torch-2.0-cpu_0")
        result = self.envtool("lock", "--virtual-packages", "machines.yml", "--platform", "win-64", code=1)
        self.assert_contains(result.err, "win-64", "machines.yml")

    def test_microarchitecture(self):
        self.write("old.yml", "platform: linux-64\npackages: {__archspec: x86_64_v2}\n")
        self.write("new.yml", "platform: linux-64\npackages: {__archspec: 1=x86_64_v4}\n")
        self.assertEqual(self.solve("tuned", "--platform", "linux-64", "--virtual-packages", "old.yml"), {"tuned": "base_0"})
        self.assertEqual(self.solve("tuned", "--platform", "linux-64", "--virtual-packages", "new.yml"), {"tuned": "v4_1"})

    def test_what_is_not_stated_is_assumed(self):
        self.write("machine.yml", "packages: {}\n")
        out = self.envtool("info", "--virtual-packages", "--platform", "linux-64", env={"ENVTOOL_VIRTUAL_PACKAGES": "machine.yml"}).out
        self.assertEqual(out.splitlines()[1:], ["platform: linux-64", "packages:", "  __archspec: 1=x86_64", '  __glibc: "2.28"', '  __linux: "4.18"', '  __unix: "0"'])

    def test_mistakes_have_a_place(self):
        self.refused(f"platform: {SUBDIR}\npackages:\n  __cdua: '12'\n", "__cdua", "did you mean `__cuda`?", place=":3:3")
        self.refused("packages:\n  __cuda: twelve point!\n", "is not a version", place=":2:3")
        self.refused("packages:\n  __cuda: 12=build\n", "build string", place=":2:3")
        self.refused("packages:\n  __osx: '14'\n", "no machine of " + SUBDIR, place=":2:3")
        self.refused("packages: {}\nplatfrom: linux-64\n", "unknown key `platfrom`", "did you mean `platform`?", place=":2:1")
        self.refused("__cuda: '12'\n", "below `packages:`", place=":1:1")
        self.refused("packages: [__cuda]\n", place=":1:")
        self.refused("packages: {__cuda: 1\n", place=":")
        self.refused(f"platform: {OTHER_SUBDIR}\npackages: {{}}\n", OTHER_SUBDIR, "--platform")

    def test_nothing_is_made_after_a_mistake(self):
        self.write("bad.yml", "packages: {__cdua: 1}\n")
        self.envtool("create", "-y", "-n", "e", "-c", self.channel, "torch", "--virtual-packages", "bad.yml", code=1)
        self.assertFalse(self.prefix("e").exists())


if __name__ == "__main__":
    support.main()

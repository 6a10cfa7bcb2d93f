// Rendered text compared with the files in tests/data/activation, one a shell.
// ENVTOOL_ACCEPT=1 writes them anew.
#include <catch2/catch.hpp>

#include <cstdlib>

#include "envtool/activation/activation.hpp"
#include "envtool/activation/hook.hpp"
#include "envtool/base/error.hpp"
#include "real_shell.hpp"

using namespace envtool;
using namespace envtool_test;

namespace {

void check_golden(const std::string& name, const std::string& text) {
  const std::filesystem::path file = std::filesystem::path(ENVTOOL_TEST_DATA) / "activation" / name;
  if (std::getenv("ENVTOOL_ACCEPT") != nullptr) write_file(file, text);
  REQUIRE(std::filesystem::exists(file));
  CHECK(read_file(file) == text);
}

}  // namespace

TEST_CASE("the text of each shell") {
  const Shell shell = GENERATE(from_range(all_shells()));
  const std::string extension(script_extension(shell));
  ActivationInput input{shell, {{"PATH", "/usr/bin:/bin"}, {"CONDA_SHLVL", "0"}}, "/root", {}, {}, true, false};
  input.environments["/it's/envs/one"] = {{{"NOTE", "it's $(touch x) `touch x`!\nsecond \\ line \xE2\x80\x99"}},
                                          {"/it's/envs/one/etc/conda/activate.d/a" + extension},
                                          {"/it's/envs/one/etc/conda/deactivate.d/a" + extension}};
  input.environments["/two"] = {};
  std::string text;
  const auto add = [&](const std::string& title, const ActivationPlan& plan) {
    input.environment = variables_after(plan, input.environment);
    text += "# ---- " + title + "\n" + render(plan, shell);
  };
  add("activate one", plan_activate(input, "/it's/envs/one"));
  add("reactivate", plan_reactivate(input));
  add("activate two", plan_activate(input, "/two"));
  add("deactivate", plan_deactivate(input));
  add("deactivate again", plan_deactivate(input));
  check_golden(std::string(shell_name(shell)) + ".txt", text);
}

TEST_CASE("the hook and the start block of each shell") {
  const Shell shell = GENERATE(from_range(all_shells()));
  const HookSettings settings{"/opt/it's/envtool", "/opt/root", "base"};
  check_golden("hook-" + std::string(shell_name(shell)) + ".txt",
               shell_hook(shell, settings) + "# ---- start file\n" + init_block(shell, settings));
}

TEST_CASE("names of shells") {
  CHECK(find_shell("-zsh") == Shell::zsh);
  CHECK(find_shell("/bin/csh") == Shell::tcsh);
  CHECK(find_shell("C:\\Windows\\PowerShell.EXE") == Shell::powershell);
  CHECK(find_shell("/usr/bin/pwsh") == Shell::powershell);
  CHECK(find_shell("sh") == Shell::posix);
  CHECK_FALSE(find_shell("nu"));
  CHECK_FALSE(find_shell(""));
  for (const Shell shell : all_shells()) CHECK(parse_shell(shell_name(shell)) == shell);
  try {
    parse_shell("bsah");
    FAIL("no error");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::usage);
    REQUIRE(error.hints().size() == 2);
    CHECK(error.hints()[0] == "did you mean `bash`?");
  }
}

TEST_CASE("a NUL character is refused for every shell") {
  const Shell shell = GENERATE(from_range(all_shells()));
  CHECK_THROWS_AS(quote(std::string_view("a\0b", 3), shell), Error);
}

TEST_CASE("start files") {
  CHECK(init_file(Shell::bash, "/h") == "/h/.bashrc");
  CHECK(init_file(Shell::zsh, "/h") == "/h/.zshrc");
  CHECK(init_file(Shell::zsh, "/h", "/z") == "/z/.zshrc");
  CHECK(init_file(Shell::fish, "/h") == "/h/.config/fish/config.fish");
  CHECK(init_file(Shell::fish, "/h", "", "/c") == "/c/fish/config.fish");
  CHECK(init_file(Shell::tcsh, "/h") == "/h/.tcshrc");
  CHECK(init_file(Shell::xonsh, "/h") == "/h/.xonshrc");
  CHECK(init_file(Shell::posix, "/h") == "/h/.profile");
}

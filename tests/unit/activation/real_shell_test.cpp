// Rendered text in the shells themselves.
#include <catch2/catch.hpp>

#include <algorithm>
#include <random>

#include "envtool/activation/activation.hpp"
#include "envtool/base/text.hpp"
#include "real_shell.hpp"

using namespace envtool;
using namespace envtool_test;

namespace {

// Text made to break quoting, in pieces: every one would create the file if it were run.
class Hostile {
 public:
  Hostile(std::string canary, unsigned seed) : canary_(std::move(canary)), random_(seed) {}

  std::string text(bool line_breaks = true) {
    const std::vector<std::string> pieces{
        "$(touch " + canary_ + ")", "`touch " + canary_ + "`", ";touch " + canary_ + ";",
        "'; touch " + canary_ + "; '", "\"; touch " + canary_ + "; \"", "\n touch " + canary_ + "\n",
        "(touch " + canary_ + ")", "&& touch " + canary_, "| touch " + canary_, "@(touch)", "${HOME}", "$HOME",
        "'", "\"", "\\", "\\\\", "\\'", "!", "!!", "\\!", "!touch", "%", "%d", "^", "~", "*", "?", "[a]", "{a,b}",
        "#", " # ", "  ", "\t", "\n", "\\\n", "\r", "$", "$$", "`", "=", ":", ";", "&", "|", "<", ">", "(", ")",
        "a", "Z9", "-n", "--", "\x01", "\x1b[31m", "\x7f", "é", "漢字", "\u2018", "\u2019", "🐍", "$'x'", "\"\"",
        "''", "'''", "__", ".", "..", "/", ",", "+", "%%", "\\n", "\\x41", "\\u0041", "\\$", "\\`"};
    std::uniform_int_distribution<std::size_t> length(0, 12), piece(0, pieces.size() - 1);
    std::string result;
    for (std::size_t i = length(random_); i > 0; --i) result += pieces[piece(random_)];
    if (!line_breaks) std::erase_if(result, [](char c) { return c == '\n' || c == '\r' || c == ':'; });
    return result;
  }

 private:
  std::string canary_;
  std::mt19937 random_;
};

const std::vector<Shell> shells{Shell::posix, Shell::bash, Shell::zsh,   Shell::dash,
                                Shell::fish,  Shell::tcsh, Shell::xonsh, Shell::powershell};

}  // namespace

TEST_CASE("500 hostile values come back from the shell as they are and run nothing") {
  const Shell shell = GENERATE(from_range(shells));
  CAPTURE(shell_name(shell));
  if (!is_here(shell)) return;
  const TemporaryFolder folder;
  const std::string canary = (folder / "canary").string();
  Hostile hostile(canary, 20240607);

  ActivationPlan plan;
  std::map<std::string, std::string> expected;
  for (int i = 0; i < 500; ++i) {
    // PowerShell's environment has no empty values.
    const std::string value = (shell == Shell::powershell ? "v" : "") + hostile.text();
    const std::string name = "V" + std::to_string(i);
    plan.steps.push_back({ActivationStep::Kind::export_variable, name, value});
    expected[name] = value;
  }
  const std::string script = (folder / "script").string();
  write_file(script, render(plan, shell) + dump_statement(shell, (folder / "dump").string()));
  const ProcessResult result = run_script(shell, script, folder, {});
  CHECK(result.err == "");
  CHECK(result.status == 0);
  const auto found = read_dump(folder / "dump");
  std::size_t equal = 0;
  for (const auto& [name, value] : expected) {
    const auto entry = found.find(name);
    if (entry != found.end() && entry->second == value) {
      ++equal;
    } else {
      UNSCOPED_INFO("expected " << escape_control(value) << "\n     got "
                                << (entry == found.end() ? "nothing" : escape_control(entry->second)));
    }
  }
  CHECK(equal == expected.size());
  CHECK_FALSE(std::filesystem::exists(canary));
}

TEST_CASE("bytes that are not UTF-8 come back too") {
  const Shell shell = GENERATE(Shell::posix, Shell::bash, Shell::zsh, Shell::dash, Shell::fish, Shell::xonsh);
  CAPTURE(shell_name(shell));
  if (!is_here(shell)) return;
  const TemporaryFolder folder;
  std::string bytes;
  for (int byte = 1; byte < 256; ++byte) bytes += static_cast<char>(byte);
  const ActivationPlan plan{{{ActivationStep::Kind::export_variable, "BYTES", bytes}}, {}};
  const std::string script = (folder / "script").string();
  write_file(script, render(plan, shell) + dump_statement(shell, (folder / "dump").string()));
  CHECK(run_script(shell, script, folder, {}).status == 0);
  CHECK(read_dump(folder / "dump")["BYTES"] == bytes);
}

TEST_CASE("hostile prefixes and names go in and out of the shell's environment and prompt") {
  const Shell shell = GENERATE(from_range(shells));
  CAPTURE(shell_name(shell));
  if (!is_here(shell)) return;
  const TemporaryFolder folder;
  const std::string canary = (folder / "canary").string();
  Hostile hostile(canary, 7);

  // The environment as the shell passes it on unchanged is what comes back in the end.
  const std::string start = (folder / "start").string();
  write_file(folder / "first", dump_statement(shell, start));
  REQUIRE(run_script(shell, (folder / "first").string(), folder, {{"CONDA_SHLVL", "0"}}).status == 0);
  const auto before = read_dump(start);

  ActivationInput input{shell, before, "/root", {}, {}, true, false};
  std::string text;
  std::vector<std::map<std::string, std::string>> expected;
  const int rounds = 50;  // four activations and as many ways back each
  for (int round = 0; round < rounds; ++round) {
    for (int depth = 0; depth < 8; ++depth) {
      ActivationPlan plan;
      if (depth < 4) {
        const std::string folders = round % 2 == 0 ? "/x/envs/" : "/r/";
        std::string prefix = folders + std::to_string(expected.size()) + hostile.text(false);
        // xonsh itself expands variables and `~` in the folders of PATH
        if (shell == Shell::xonsh) std::erase_if(prefix, [](char c) { return c == '$' || c == '~'; });
        input.environments[prefix].variables = {{"SHARED", hostile.text()},
                                                {"OWN" + std::to_string(depth), hostile.text()}};
        if (shell == Shell::powershell) input.environments[prefix].variables.clear();
        plan = plan_activate(input, prefix, depth % 2 == 0 ? Stacking::replace : Stacking::stack);
      } else {
        plan = plan_deactivate(input);
      }
      input.environment = variables_after(plan, input.environment);
      text += render(plan, shell);
      if (shell == Shell::zsh) text += "print -rP -- \"$PS1\" > /dev/null\n";
      if (shell == Shell::bash) text += ": \"${PS1@P}\"\n";
      text += dump_statement(shell, (folder / ("dump" + std::to_string(expected.size()))).string());
      expected.push_back(input.environment);
    }
  }
  std::string setup;
  if (is_posix_like(shell)) setup = "set -eu\nPS1='[\\u] $ '\n";
  if (shell == Shell::zsh) setup += "setopt prompt_subst\n";
  if (shell == Shell::tcsh) setup = "set prompt = '%n> '\n";
  std::string check;
  if (is_posix_like(shell)) check = "printf '%s' \"$PS1\"\n";
  if (shell == Shell::tcsh) check = "echo -n \"$prompt:q\"\n";
  write_file(folder / "script", setup + text + check);
  const ProcessResult result = run_script(shell, (folder / "script").string(), folder, before);
  CHECK(result.err == "");
  REQUIRE(result.status == 0);
  if (is_posix_like(shell)) CHECK(result.out == "[\\u] $ ");
  if (shell == Shell::tcsh) CHECK(result.out == "%n> ");

  CHECK(expected.back() == before);  // what the plans promise
  std::size_t equal = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const auto found = read_dump(folder / ("dump" + std::to_string(i)));
    if (found == expected[i]) ++equal;
    else if (equal == i) {
      for (const auto& [name, value] : expected[i]) {
        const auto entry = found.find(name);
        if (entry == found.end() || entry->second != value) {
          UNSCOPED_INFO(i << " " << name << " expected " << escape_control(value) << "\n got "
                          << (entry == found.end() ? "nothing" : escape_control(entry->second)));
        }
      }
    }
  }
  CHECK(equal == expected.size());
  CHECK_FALSE(std::filesystem::exists(canary));
}

TEST_CASE("activation scripts run, may fail, and leave the shell's strictness alone") {
  const Shell shell = GENERATE(from_range(shells));
  CAPTURE(shell_name(shell));
  if (!is_here(shell)) return;
  const TemporaryFolder folder;
  const std::string prefix = folder.str() + "/it's an $(touch canary) env";
  const std::string activate = prefix + "/etc/conda/activate.d/";
  const std::string extension(script_extension(shell));
  ActivationInput input{shell, {}, "/root", {}, {}, true, false};
  input.environment = {{"CONDA_SHLVL", "0"}, {"PATH", "/usr/bin:/bin"}};
  ActivationEnvironment& environment = input.environments[prefix];
  const auto add = [&](const std::string& name, const std::string& text) {
    write_file(activate + name + extension, text);
    environment.activate_scripts.push_back(activate + name + extension);
  };
  switch (shell) {
    case Shell::fish: add("b", "set -gx GREETING \"hello $CONDA_PREFIX\""); break;
    case Shell::tcsh: add("b", "setenv GREETING \"hello $CONDA_PREFIX\"\n"); break;
    case Shell::powershell: add("b", "$Env:GREETING = \"hello $Env:CONDA_PREFIX\""); break;
    default: add("b", "export GREETING=\"hello $CONDA_PREFIX\"\nexport LINES_='a\nNOT=set\nb'\n");
  }
  environment.activate_scripts.push_back(activate + "a-missing" + extension);
  environment.activate_scripts.push_back(activate + "b.other");
  if (is_posix_like(shell) || shell == Shell::xonsh) {
    add("c-unset-and-false", "X=\"$NOT_THERE_AT_ALL\"\nfalse\nexport AFTER_FALSE=yes\nreturn 3\n");
    add("d-strict", "set -eu\nexport STRICT=yes\n");
    add("e-last", "case $- in *[eu]*) ;; esac\n: \"$NOT_THERE\"\nexport LAST=yes\n");
  }
  const ActivationPlan plan = plan_activate(input, prefix);
  const std::string setup = is_posix_like(shell) ? "set -eu\n" : "";
  const std::string check = is_posix_like(shell) ? "case $- in *e*) echo e ;; esac\ncase $- in *u*) echo u ;; esac\n" : "";
  write_file(folder / "script",
             setup + render(plan, shell) + check + dump_statement(shell, (folder / "dump").string()));
  const ProcessResult result = run_script(shell, (folder / "script").string(), folder, input.environment);
  INFO(result.err);
  REQUIRE(result.status == 0);
  auto found = read_dump(folder / "dump");
  CHECK(found["GREETING"] == "hello " + prefix);
  CHECK(found["CONDA_PREFIX"] == prefix);
  CHECK_FALSE(std::filesystem::exists(folder / "canary"));
  if (is_posix_like(shell)) CHECK(result.out == "e\nu\n");
  if (is_posix_like(shell) || shell == Shell::xonsh) {
    CHECK(found["AFTER_FALSE"] == "yes");
    CHECK(found["STRICT"] == "yes");
    CHECK(found["LAST"] == "yes");
    CHECK(found["LINES_"] == "a\nNOT=set\nb");
    CHECK(found.count("NOT") == 0);
    CHECK(result.err.find("c-unset-and-false.sh` failed") != std::string::npos);
  }
}

TEST_CASE("strictness that a script switches on does not reach the user's shell") {
  const Shell shell = GENERATE(Shell::posix, Shell::bash, Shell::zsh, Shell::dash);
  CAPTURE(shell_name(shell));
  if (!is_here(shell)) return;
  const TemporaryFolder folder;
  write_file(folder / "strict.sh", "set -e -u\n");
  write_file(folder / "broken.sh", "if then fi (\n");
  const ActivationPlan plan{
      {{ActivationStep::Kind::source_script, "", (folder / "strict.sh").string()},
       {ActivationStep::Kind::source_script, "", (folder / "broken.sh").string()},
       {ActivationStep::Kind::export_variable, "GOT", "here"}},
      {}};
  write_file(folder / "script", render(plan, shell) + "false\necho \"$GOT ${NOT_THERE}\"\n");
  const ProcessResult result = run_script(shell, (folder / "script").string(), folder, {});
  INFO(result.err);
  CHECK(result.out == "here \n");
}

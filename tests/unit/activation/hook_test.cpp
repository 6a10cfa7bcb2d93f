// The shell integration in the shells themselves, with a small script in the program's place.
#include "envtool/activation/hook.hpp"

#include <catch2/catch.hpp>

#include "envtool/activation/activation.hpp"
#include "envtool/base/text.hpp"
#include "real_shell.hpp"

using namespace envtool;
using namespace envtool_test;

namespace {

// Logs its arguments; `shell activate` prints what the test has laid down; `install --touch` changes
// an activation script of the active environment.
constexpr std::string_view program = R"sh(#!/bin/sh
here=$(dirname "$0")
{ printf '[%s]' "$@"; echo; } >> "$here/log"
case "$1 $2" in
  "shell activate"|"shell deactivate"|"shell reactivate")
    case "$*" in *missing*) echo "no such environment" >&2; echo "echo INJECTED"; exit 3 ;; esac
    cat "$here/code-$2" ;;
  "install --touch") echo "# more" >> "$CONDA_PREFIX/etc/conda/activate.d/x.sh" ;;
  "fail "*) exit 7 ;;
  "list "*) echo "listed $2" ;;
  *"--help") echo "HELP; touch canary" ;;
esac
)sh";

std::string status_statement(Shell shell, const std::string& label) {
  switch (shell) {
    case Shell::fish:
    case Shell::tcsh: return "echo \"" + label + " $status\"\n";
    default: return "echo \"" + label + " $?\"\n";
  }
}

struct Setup {
  TemporaryFolder folder;
  std::string home = folder.str() + "/it's $(touch canary) here";
  std::string prefix = home + "/env";
  HookSettings settings{home + "/envtool", "/root prefix", ""};

  explicit Setup(Shell shell) {
    write_file(settings.executable, std::string(program), true);
    write_file(prefix + "/etc/conda/activate.d/x.sh", "# one\n");
    ActivationPlan plan;
    plan.steps = {{ActivationStep::Kind::export_variable, "CONDA_PREFIX", prefix},
                  {ActivationStep::Kind::export_variable, "GOT", "two\n lines; `touch canary` 'and' !more\\"}};
    write_file(home + "/code-activate", render(plan, shell));
    plan.steps = {{ActivationStep::Kind::export_variable, "AGAIN", "yes"}};
    write_file(home + "/code-reactivate", render(plan, shell));
    plan.steps = {{ActivationStep::Kind::unset_variable, "CONDA_PREFIX", ""}};
    write_file(home + "/code-deactivate", render(plan, shell));
  }
  std::string log() const { return read_file(home + "/log"); }
};

}  // namespace

TEST_CASE("the hook's command activates, passes arguments on and keeps statuses") {
  const Shell shell = GENERATE(Shell::posix, Shell::bash, Shell::zsh, Shell::dash, Shell::fish, Shell::tcsh);
  CAPTURE(shell_name(shell));
  if (!is_here(shell)) return;
  const Setup setup(shell);
  const std::string name(shell_name(shell));

  std::string script;
  if (shell == Shell::tcsh) {
    // as in the start file: through back quotes
    write_file(setup.folder / "hook", shell_hook(shell, setup.settings));
    script = "eval \"`cat hook`\"\n";
  } else {
    script = (is_posix_like(shell) ? "set -u\n" : "") + shell_hook(shell, setup.settings);
  }
  script += "envtool\n";
  script += "envtool list 'a  b' 'c*' '$d'\n" + status_statement(shell, "list");
  script += "envtool fail now\n" + status_statement(shell, "fail");
  script += "envtool activate 'some env' --stack\n" + status_statement(shell, "activate");
  script += dump_statement(shell, (setup.folder / "dump").string());
  script += "envtool activate missing\n" + status_statement(shell, "missing");
  script += "envtool activate --help\n";
  script += "envtool install --quiet\n" + status_statement(shell, "install");
  script += "envtool install --touch\n";
  script += dump_statement(shell, (setup.folder / "dump2").string());
  script += "envtool env list\nenvtool env update\n";
  script += "envtool list piped | cat\n";
  script += "envtool deactivate\n";
  script += dump_statement(shell, (setup.folder / "dump3").string());
  write_file(setup.folder / "script", script);
  const ProcessResult result = run_script(shell, (setup.folder / "script").string(), setup.folder, {});

  INFO(result.err);
  CHECK(result.out ==
        "listed a  b\nlist 0\nfail 7\nactivate 0\nmissing 3\nHELP; touch canary\ninstall 0\nlisted piped\n");
  CHECK(result.err == "no such environment\n");
  CHECK(setup.log() == "[]\n[list][a  b][c*][$d]\n[fail][now]\n[shell][activate][-s][" + name +
                           "][some env][--stack]\n[shell][activate][-s][" + name +
                           "][missing]\n[activate][--help]\n[install][--quiet]\n[install][--touch]\n[shell][reactivate][-s][" +
                           name + "]\n[env][list]\n[env][update]\n[list][piped]\n[shell][deactivate][-s][" + name + "]\n");
  auto after = read_dump(setup.folder / "dump");
  CHECK(after["GOT"] == "two\n lines; `touch canary` 'and' !more\\");
  CHECK(after["CONDA_SHLVL"] == "0");
  CHECK(after["ENVTOOL_EXE"] == setup.settings.executable);
  CHECK(after["ENVTOOL_ROOT_PREFIX"] == "/root prefix");
  CHECK(after.count("AGAIN") == 0);
  for (const auto& [variable, value] : after) CHECK_FALSE(variable.starts_with("__envtool"));
  CHECK(read_dump(setup.folder / "dump2")["AGAIN"] == "yes");
  CHECK(read_dump(setup.folder / "dump3").count("CONDA_PREFIX") == 0);
  CHECK_FALSE(std::filesystem::exists(setup.folder / "canary"));
}

TEST_CASE("the hook works in a shell that stops at errors") {
  const Shell shell = GENERATE(Shell::posix, Shell::bash, Shell::zsh, Shell::dash);
  CAPTURE(shell_name(shell));
  if (!is_here(shell)) return;
  const Setup setup(shell);
  write_file(setup.folder / "script",
             "set -eu\n" + shell_hook(shell, setup.settings) +
                 "envtool\nenvtool activate a\nenvtool install b\nenvtool install --touch\nenvtool reactivate\n"
                 "envtool deactivate\nif envtool activate missing; then echo wrong; else echo refused $?; fi\n"
                 "echo before\nenvtool fail x\necho not reached\n");
  const ProcessResult result = run_script(shell, (setup.folder / "script").string(), setup.folder, {});
  INFO(result.err);
  CHECK(result.out == "refused 3\nbefore\n");
  CHECK(result.status == 7);
}

TEST_CASE("the hook's command in xonsh") {
  if (!is_here(Shell::xonsh)) return;
  const Setup setup(Shell::xonsh);
  write_file(setup.folder / "script",
             shell_hook(Shell::xonsh, setup.settings) +
                 "envtool list 'a  b' c*\n"
                 "envtool activate 'some env' --stack\n" +
                 dump_statement(Shell::xonsh, (setup.folder / "dump").string()) +
                 "envtool activate missing\n"
                 "envtool activate --help\n"
                 "envtool install --quiet\n"
                 "envtool install --touch\n" +
                 dump_statement(Shell::xonsh, (setup.folder / "dump2").string()) +
                 "print('captured', repr($(envtool list captured)))\n"
                 "envtool deactivate\n" +
                 dump_statement(Shell::xonsh, (setup.folder / "dump3").string()));
  const ProcessResult result = run_script(Shell::xonsh, (setup.folder / "script").string(), setup.folder, {});
  INFO(result.err);
  CHECK(result.out == "listed a  b\nHELP; touch canary\ncaptured 'listed captured\\n'\n");
  CHECK(setup.log() ==
        "[list][a  b][c*]\n[shell][activate][-s][xonsh][some env][--stack]\n[shell][activate][-s][xonsh][missing]\n"
        "[activate][--help]\n[install][--quiet]\n[install][--touch]\n[shell][reactivate][-s][xonsh]\n[list][captured]\n"
        "[shell][deactivate][-s][xonsh]\n");
  CHECK(read_dump(setup.folder / "dump")["GOT"] == "two\n lines; `touch canary` 'and' !more\\");
  CHECK(read_dump(setup.folder / "dump")["CONDA_SHLVL"] == "0");
  CHECK(read_dump(setup.folder / "dump").count("AGAIN") == 0);
  CHECK(read_dump(setup.folder / "dump2")["AGAIN"] == "yes");
  CHECK(read_dump(setup.folder / "dump3").count("CONDA_PREFIX") == 0);
  CHECK_FALSE(std::filesystem::exists(setup.folder / "canary"));
}

TEST_CASE("fish shows the modifier before the user's prompt and keeps the status for it") {
  if (!is_here(Shell::fish)) return;
  const Setup setup(Shell::fish);
  write_file(setup.folder / "script",
             "function fish_prompt; printf 'mine %s> ' $status; end\n" + shell_hook(Shell::fish, setup.settings) +
                 shell_hook(Shell::fish, setup.settings) +
                 "set -gx CONDA_PROMPT_MODIFIER '($(touch canary) é) '\nfalse\nfish_prompt\n"
                 "set -e CONDA_PROMPT_MODIFIER\nfish_prompt\n");
  const ProcessResult result = run_script(Shell::fish, (setup.folder / "script").string(), setup.folder, {});
  CHECK(result.err == "");
  CHECK(result.out == "($(touch canary) é) mine 1> mine 0> ");
  CHECK_FALSE(std::filesystem::exists(setup.folder / "canary"));
}

TEST_CASE("the start block brings the command into a new shell and tolerates that the program is gone") {
  const Shell shell = GENERATE(Shell::posix, Shell::bash, Shell::zsh, Shell::dash, Shell::fish, Shell::tcsh, Shell::xonsh);
  CAPTURE(shell_name(shell));
  if (!is_here(shell)) return;
  const Setup setup(shell);
  HookSettings settings = setup.settings;
  settings.auto_activate = "base";
  HookSettings gone = setup.settings;
  gone.executable += "-gone";
  // The program prints the hook.
  write_file(setup.home + "/hook", shell_hook(shell, {settings.executable, "", ""}));
  write_file(settings.executable, "#!/bin/sh\ncase $2 in hook) cat \"$(dirname \"$0\")/hook\" ;; *) echo \"# $@\" >> \"$(dirname \"$0\")/log\" ;; esac\n", true);
  write_file(setup.folder / "script", init_block(shell, gone) + init_block(shell, settings) + "envtool info\n" +
                                          dump_statement(shell, (setup.folder / "dump").string()));
  const ProcessResult result = run_script(shell, (setup.folder / "script").string(), setup.folder, {});
  CHECK(result.err == "");
  CHECK(result.status == 0);
  CHECK(setup.log() == "# shell activate -s " + std::string(shell_name(shell)) + " base\n# info\n");
  CHECK(read_dump(setup.folder / "dump")["ENVTOOL_ROOT_PREFIX"] == "/root prefix");
}

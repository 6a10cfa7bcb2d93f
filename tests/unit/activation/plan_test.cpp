#include <catch2/catch.hpp>

#include <algorithm>

#include "envtool/activation/activation.hpp"
#include "envtool/base/error.hpp"

using namespace envtool;
using Kind = ActivationStep::Kind;

namespace {

std::string describe(const ActivationPlan& plan) {
  std::string result;
  for (const ActivationStep& step : plan.steps) {
    switch (step.kind) {
      case Kind::export_variable: result += "export " + step.name + "=" + step.value; break;
      case Kind::unset_variable: result += "unset " + step.name; break;
      case Kind::change_prompt: result += "prompt '" + step.name + "' -> '" + step.value + "'"; break;
      case Kind::source_script: result += "source " + step.value; break;
    }
    result += "\n";
  }
  return result;
}

ActivationInput make_input() {
  ActivationInput input;
  input.shell = Shell::bash;
  input.root_prefix = "/r";
  input.environment = {{"PATH", "/usr/bin:/bin"}, {"CONDA_SHLVL", "0"}, {"FOO", "mine"}};
  input.environments["/r/envs/a"] = {{{"FOO", "a"}, {"ONLY_A", "1"}, {"GONE", "***unset***"}},
                                     {"/r/envs/a/etc/conda/activate.d/2.sh", "/r/envs/a/etc/conda/activate.d/1.sh",
                                      "/r/envs/a/etc/conda/activate.d/1.fish"},
                                     {"/r/envs/a/etc/conda/deactivate.d/1.sh", "/r/envs/a/etc/conda/deactivate.d/2.sh"}};
  input.environments["/r/envs/b"] = {{{"FOO", "b"}}, {"/r/envs/b/etc/conda/activate.d/b.sh"}, {}};
  return input;
}

}  // namespace

TEST_CASE("activating from nothing") {
  const ActivationInput input = make_input();
  const ActivationPlan plan = plan_activate(input, "/r/envs/a");
  CHECK(describe(plan) == R"(prompt '' -> '(a) '
export PATH=/r/envs/a/bin:/usr/bin:/bin
export CONDA_PREFIX=/r/envs/a
export CONDA_SHLVL=1
export CONDA_DEFAULT_ENV=a
export CONDA_PROMPT_MODIFIER=(a) 
export __CONDA_SHLVL_0_FOO=mine
export FOO=a
export ONLY_A=1
source /r/envs/a/etc/conda/activate.d/1.sh
source /r/envs/a/etc/conda/activate.d/2.sh
)");
  CHECK(plan.warnings == std::vector<std::string>{"the environment replaces the value of the variable `FOO`"});
}

TEST_CASE("activating another environment takes the first one's place") {
  ActivationInput input = make_input();
  input.environment = variables_after(plan_activate(input, "/r/envs/a"), input.environment);
  CHECK(describe(plan_activate(input, "/r/envs/b")) == R"(source /r/envs/a/etc/conda/deactivate.d/2.sh
source /r/envs/a/etc/conda/deactivate.d/1.sh
prompt '(a) ' -> '(b) '
export PATH=/r/envs/b/bin:/usr/bin:/bin
export CONDA_PREFIX=/r/envs/b
export CONDA_SHLVL=2
export CONDA_DEFAULT_ENV=b
export CONDA_PROMPT_MODIFIER=(b) 
export __CONDA_SHLVL_1_FOO=a
export FOO=b
export CONDA_PREFIX_1=/r/envs/a
source /r/envs/b/etc/conda/activate.d/b.sh
)");
}

TEST_CASE("stacking keeps the first one on PATH and runs none of its scripts") {
  ActivationInput input = make_input();
  input.environment = variables_after(plan_activate(input, "/r/envs/a"), input.environment);
  input.prompt.format = "({stacked_env}) {{{name}}} {prefix} {other}";
  const ActivationPlan plan = plan_activate(input, "/r/envs/b", Stacking::stack);
  CHECK(describe(plan) == R"(prompt '(a) ' -> '(b,a) {b} /r/envs/b {other}'
export PATH=/r/envs/b/bin:/r/envs/a/bin:/usr/bin:/bin
export CONDA_PREFIX=/r/envs/b
export CONDA_SHLVL=2
export CONDA_DEFAULT_ENV=b
export CONDA_PROMPT_MODIFIER=(b,a) {b} /r/envs/b {other}
export __CONDA_SHLVL_1_FOO=a
export FOO=b
export CONDA_PREFIX_1=/r/envs/a
export CONDA_STACKED_2=true
source /r/envs/b/etc/conda/activate.d/b.sh
)");
  input.environment = variables_after(plan, input.environment);
  CHECK(describe(plan_deactivate(input)) == R"(export PATH=/r/envs/a/bin:/usr/bin:/bin
unset CONDA_PREFIX_1
unset CONDA_STACKED_2
unset __CONDA_SHLVL_1_FOO
prompt '(b,a) {b} /r/envs/b {other}' -> '(a) {a} /r/envs/a {other}'
export CONDA_PREFIX=/r/envs/a
export CONDA_SHLVL=1
export CONDA_DEFAULT_ENV=a
export CONDA_PROMPT_MODIFIER=(a) {a} /r/envs/a {other}
export FOO=a
export ONLY_A=1
)");
}

TEST_CASE("leaving the last environment") {
  ActivationInput input = make_input();
  input.environment = variables_after(plan_activate(input, "/r/envs/a"), input.environment);
  CHECK(describe(plan_deactivate(input)) == R"(export PATH=/usr/bin:/bin
source /r/envs/a/etc/conda/deactivate.d/2.sh
source /r/envs/a/etc/conda/deactivate.d/1.sh
unset CONDA_PREFIX
unset CONDA_DEFAULT_ENV
unset CONDA_PROMPT_MODIFIER
unset __CONDA_SHLVL_0_FOO
unset ONLY_A
unset GONE
prompt '(a) ' -> ''
export CONDA_SHLVL=0
export FOO=mine
)");
}

TEST_CASE("activating the active environment, and reactivating, set everything anew") {
  ActivationInput input = make_input();
  input.environment = variables_after(plan_activate(input, "/r/envs/a"), input.environment);
  const std::string expected = R"(source /r/envs/a/etc/conda/deactivate.d/2.sh
source /r/envs/a/etc/conda/deactivate.d/1.sh
unset GONE
prompt '(a) ' -> '(a) '
export PATH=/r/envs/a/bin:/usr/bin:/bin
export CONDA_SHLVL=1
export CONDA_PROMPT_MODIFIER=(a) 
export FOO=a
export ONLY_A=1
source /r/envs/a/etc/conda/activate.d/1.sh
source /r/envs/a/etc/conda/activate.d/2.sh
)";
  CHECK(describe(plan_reactivate(input)) == expected);
  CHECK(describe(plan_activate(input, "/r/envs/a")) == expected);
}

TEST_CASE("with no environment active there is nothing to leave or renew") {
  ActivationInput input = make_input();
  CHECK(plan_deactivate(input).steps.empty());
  CHECK(plan_reactivate(input).steps.empty());
  input.environment["CONDA_SHLVL"] = "2";  // without CONDA_PREFIX
  CHECK(plan_deactivate(input).steps.empty());
  input.environment["CONDA_PREFIX"] = "/r/envs/a";
  input.environment["CONDA_SHLVL"] = GENERATE("", "x", "-1", "99999999999999999999");
  CHECK(plan_deactivate(input).steps.empty());
}

TEST_CASE("a lost lower level deactivates everything and says so") {
  ActivationInput input = make_input();
  input.environment["CONDA_SHLVL"] = "3";
  input.environment["CONDA_PREFIX"] = "/r/envs/b";
  input.environment["PATH"] = "/r/envs/b/bin:/usr/bin";
  const ActivationPlan plan = plan_deactivate(input);
  const auto after = variables_after(plan, input.environment);
  CHECK(after.at("CONDA_SHLVL") == "0");
  CHECK(after.at("PATH") == "/usr/bin");
  CHECK(after.count("CONDA_PREFIX") == 0);
  CHECK(plan.warnings.size() == 1);
}

TEST_CASE("names of environments") {
  CHECK(default_environment_name("/r", "/r") == "base");
  CHECK(default_environment_name("/r/", "/r") == "base");
  CHECK(default_environment_name("/r/envs/x", "/r") == "x");
  CHECK(default_environment_name("/home/me/envs/x/", "/r") == "x");
  CHECK(default_environment_name("/work/.venv", "/r") == "/work/.venv");
}

TEST_CASE("PATH keeps its other entries to the letter") {
  ActivationInput input = make_input();
  for (const std::string path : {"/usr/bin:/bin", "", ":/a::/b//:", "/r/envs/a/bin:/x", "/x:/r/envs/a/bin", "."}) {
    CAPTURE(path);
    input.environment["PATH"] = path;
    auto active = input;
    active.environment = variables_after(plan_activate(input, "/r/envs/a"), input.environment);
    CHECK(variables_after(plan_deactivate(active), active.environment) == input.environment);
    active.environment = variables_after(plan_activate(active, "/r/envs/b"), active.environment);
    active.environment = variables_after(plan_deactivate(active), active.environment);
    active.environment = variables_after(plan_deactivate(active), active.environment);
    CHECK(active.environment == input.environment);
  }
}

TEST_CASE("a reactivation keeps the place on PATH that the user gave the environment") {
  ActivationInput input = make_input();
  input.environment = {{"PATH", "/mine:/r/envs/b/bin/:/usr/bin"}, {"CONDA_PREFIX", "/r/envs/b"}, {"CONDA_SHLVL", "1"}};
  CHECK(variables_after(plan_reactivate(input), input.environment).at("PATH") == "/mine:/r/envs/b/bin:/usr/bin");
}

TEST_CASE("variables that a shell cannot hold or would run are left out with a warning") {
  ActivationInput input = make_input();
  const std::vector<std::pair<std::string, std::string>> bad{
      {"a b", "x"}, {"X;touch y", "x"}, {"", "x"}, {"1X", "x"}, {"A-B", "x"}, {"PATH", "/evil"}, {"UID", "0"},
      {"CONDA_PREFIX", "/x"}, {"CONDA_STACKED_1", "true"}, {"__CONDA_SHLVL_0_FOO", "x"}, {"path", "x"},
      {"SECONDS", "a[$(touch x)]"}, {"NUL", std::string("a\0b", 3)}, {"été", "x"}};
  input.environments["/r/envs/b"].variables = bad;
  input.environments["/r/envs/b"].variables.emplace_back("COLUMNS", "120");
  input.environments["/r/envs/b"].variables.emplace_back("good", "1");
  input.environments["/r/envs/b"].variables.emplace_back("good", "2");
  const ActivationPlan plan = plan_activate(input, "/r/envs/b");
  CHECK(plan.warnings.size() == bad.size());
  const auto after = variables_after(plan, {});
  CHECK(after.at("good") == "2");
  CHECK(after.at("COLUMNS") == "120");
  CHECK(after.at("PATH") == "/r/envs/b/bin:/usr/bin:/bin");
  CHECK(after.size() == 7);
}

TEST_CASE("settings: no prompt, no scripts, upper case") {
  ActivationInput input = make_input();
  input.prompt.change = false;
  input.run_scripts = false;
  input.uppercase_variables = true;
  input.environments["/r/envs/a"].variables = {{"http_proxy", "p"}};
  CHECK(describe(plan_activate(input, "/r/envs/a")) == R"(export PATH=/r/envs/a/bin:/usr/bin:/bin
export CONDA_PREFIX=/r/envs/a
export CONDA_SHLVL=1
export CONDA_DEFAULT_ENV=a
export CONDA_PROMPT_MODIFIER=
export HTTP_PROXY=p
)");
}

TEST_CASE("prefixes that cannot be on PATH are refused") {
  const ActivationInput input = make_input();
  for (const std::string prefix : {"relative", "", "/with:colon", "/line\nbreak"}) {
    CAPTURE(prefix);
    CHECK_THROWS_AS(plan_activate(input, prefix), Error);
  }
}

TEST_CASE("the prefixes that a plan needs to know about") {
  const std::map<std::string, std::string> none{{"CONDA_SHLVL", "0"}};
  CHECK(involved_prefixes(none, "/t") == std::vector<std::string>{"/t"});
  const std::map<std::string, std::string> three{
      {"CONDA_SHLVL", "3"}, {"CONDA_PREFIX", "/c"}, {"CONDA_PREFIX_2", "/b"}, {"CONDA_PREFIX_1", "/a"}};
  CHECK(involved_prefixes(three, "/t") == std::vector<std::string>{"/c", "/b", "/t"});
  CHECK(involved_prefixes(three, "/c") == std::vector<std::string>{"/c", "/b"});
  CHECK(involved_prefixes(three, "") == std::vector<std::string>{"/c", "/b"});
}

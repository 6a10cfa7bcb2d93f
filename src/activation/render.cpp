#include <algorithm>

#include "envtool/activation/activation.hpp"
#include "envtool/base/text.hpp"

namespace envtool {
namespace {

using Kind = ActivationStep::Kind;

std::string script_failed(const std::string& script) {
  return "envtool: the script `" + escape_control(script) + "` failed";
}

// ---- sh, bash, zsh, dash -----------------------------------------------------------------------

// Only assignments and `case`: what every POSIX shell can do under `set -eu`. Backslashes keep
// aliases out.
std::string posix_prompt(const ActivationStep& step, Shell shell) {
  std::string result = "if [ -n \"${PS1+x}\" ]; then\n";
  if (!step.name.empty()) {
    result += "  __envtool_old=" + quote(step.name, shell) + "\n";
    result +=
        "  case $PS1 in *\"$__envtool_old\"*)"
        " PS1=${PS1%%\"$__envtool_old\"*}${PS1#*\"$__envtool_old\"} ;; esac\n"
        "  \\unset __envtool_old\n";
  }
  // powerline draws its own
  result += "  case $PS1 in *POWERLINE_COMMAND*) ;; *) PS1=" + quote(step.value, shell) + "$PS1 ;; esac\n";
  return result + "fi\n";
}

std::string posix_source(const ActivationStep& step, Shell shell) {
  const std::string script = quote(step.value, shell);
  // An error in a script ends a strict POSIX shell unless the dot is run by `command`, which zsh
  // does not know for builtins and does not need.
  const std::string dot = shell == Shell::posix || shell == Shell::dash ? "\\command ." : "\\.";
  return "\\set +eu\nif [ -r " + script + " ]; then " + dot + " " + script + " || \\printf '%s\\n' " +
         quote(script_failed(step.value), shell) + " >&2; fi\n";
}

std::string render_posix(const ActivationPlan& plan, Shell shell) {
  std::string result;
  bool relaxed = false;
  // Package scripts are written for shells without -e and -u, and some switch these on: they run
  // without, and what the user had comes back.
  const auto relax = [&](bool wanted) {
    if (wanted == relaxed) return;
    relaxed = wanted;
    result += wanted ? "__envtool_flags=$-\n"
                     : "case $__envtool_flags in *e*) \\set -e ;; *) \\set +e ;; esac\n"
                       "case $__envtool_flags in *u*) \\set -u ;; *) \\set +u ;; esac\n"
                       "\\unset __envtool_flags\n";
  };
  for (const ActivationStep& step : plan.steps) {
    relax(step.kind == Kind::source_script);
    switch (step.kind) {
      case Kind::export_variable:
        result += "\\export " + step.name + "=" + quote(step.value, shell) + "\n";
        break;
      case Kind::unset_variable: result += "\\unset " + step.name + "\n"; break;
      case Kind::change_prompt: result += posix_prompt(step, shell); break;
      case Kind::source_script: result += posix_source(step, shell); break;
    }
  }
  relax(false);
  return result;
}

// ---- tcsh --------------------------------------------------------------------------------------

// The prompt is a variable of the shell, not of the environment, and unset in scripts; csh expands
// a whole line before it looks at `if`, hence the inner `eval`.
std::string tcsh_prompt(const ActivationStep& step) {
  const std::string_view mark = "\x01";
  std::string result;
  if (!step.name.empty()) {
    const std::string removal =
        "set prompt = \"${prompt:s" + std::string(mark) + step.name + std::string(mark) + std::string(mark) + ":q}\"";
    result += "if ($?prompt) eval " + quote(removal, Shell::tcsh) + "\n";
  }
  if (!step.value.empty()) {
    const std::string addition = "set prompt = " + quote(step.value, Shell::tcsh) + "$prompt:q";
    result += "if ($?prompt) eval " + quote(addition, Shell::tcsh) + "\n";
  }
  return result;
}

std::string render_tcsh(const ActivationPlan& plan) {
  std::string result;
  for (const ActivationStep& step : plan.steps) {
    switch (step.kind) {
      case Kind::export_variable:
        result += "setenv " + step.name + " " + quote(step.value, Shell::tcsh) + "\n";
        break;
      case Kind::unset_variable: result += "unsetenv " + step.name + "\n"; break;
      case Kind::change_prompt: result += tcsh_prompt(step); break;
      case Kind::source_script: {
        const std::string script = quote(step.value, Shell::tcsh);
        result += "if (-r " + script + ") source " + script + "\n";
        break;
      }
    }
  }
  return result;
}

// ---- fish --------------------------------------------------------------------------------------

// fish's prompt is a function, which the hook wraps: nothing to do for it here.
std::string render_fish(const ActivationPlan& plan) {
  std::string result;
  for (const ActivationStep& step : plan.steps) {
    switch (step.kind) {
      case Kind::export_variable:
        result += "set -gx " + step.name;
        if (step.name == "PATH") {
          for (const std::string_view directory : split(step.value, ':')) {
            result += " " + quote(directory, Shell::fish);
          }
        } else {
          result += " " + quote(step.value, Shell::fish);
        }
        result += "\n";
        break;
      case Kind::unset_variable: result += "set -e " + step.name + "\n"; break;
      case Kind::change_prompt: break;
      case Kind::source_script: {
        const std::string script = quote(step.value, Shell::fish);
        result += "if test -r " + script + "; source " + script + "; or echo " +
                  quote(script_failed(step.value), Shell::fish) + " >&2; end\n";
        break;
      }
    }
  }
  return result;
}

// ---- xonsh -------------------------------------------------------------------------------------

// The scripts are for POSIX shells: bash runs them, and what it has exported at the end comes
// back. (xonsh's own `source-bash` neither quotes the file's name nor keeps line breaks in values.)
constexpr std::string_view xonsh_source = R"xonsh(def __envtool_source(script, message):
    import subprocess, sys
    before = ${...}.detype()
    done = subprocess.run(['bash', '-c', '. "$1" >&2; s=$?; env -0; exit $s', 'bash', script],
                          env=before, stdout=subprocess.PIPE)
    if done.returncode != 0:
        print(message, file=sys.stderr)
    after = {}
    for item in done.stdout.split(b'\0'):
        name, found, value = item.decode('utf-8', 'surrogateescape').partition('=')
        if found and not name.startswith('BASH_FUNC_'):
            after[name] = value
    if not after:
        return
    for name in ('SHLVL', '_', 'PWD', 'OLDPWD'):
        after.pop(name, None)
        before.pop(name, None)
    for name, value in after.items():
        if before.get(name) != value:
            __envtool_set(name, value)
    for name in before:
        if name not in after:
            ${...}.pop(name, None)
)xonsh";

constexpr std::string_view xonsh_set = R"xonsh(def __envtool_set(name, value):
    try:
        ${...}[name] = value
    except Exception as error:
        import sys
        print('envtool: cannot set the variable', name, '-', error, file=sys.stderr)
)xonsh";

std::string render_xonsh(const ActivationPlan& plan) {
  if (plan.steps.empty()) return "";
  const bool sources = std::any_of(plan.steps.begin(), plan.steps.end(), [](const ActivationStep& step) {
    return step.kind == Kind::source_script;
  });
  std::string result(xonsh_set);
  if (sources) result += xonsh_source;
  for (const ActivationStep& step : plan.steps) {
    switch (step.kind) {
      case Kind::export_variable:
        result += "__envtool_set('" + step.name + "', " + quote(step.value, Shell::xonsh) + ")\n";
        break;
      case Kind::unset_variable: result += "${...}.pop('" + step.name + "', None)\n"; break;
      case Kind::change_prompt: break;  // xonsh shows CONDA_DEFAULT_ENV by itself
      case Kind::source_script:
        result += "__envtool_source(" + quote(step.value, Shell::xonsh) + ", " +
                  quote(script_failed(step.value), Shell::xonsh) + ")\n";
        break;
    }
  }
  return result;
}

// ---- PowerShell --------------------------------------------------------------------------------

std::string render_powershell(const ActivationPlan& plan) {
  std::string result;
  for (const ActivationStep& step : plan.steps) {
    switch (step.kind) {
      case Kind::export_variable:
        result += "$Env:" + step.name + " = " + quote(step.value, Shell::powershell) + "\n";
        break;
      case Kind::unset_variable:
        result += "Remove-Item -ErrorAction SilentlyContinue Env:" + step.name + "\n";
        break;
      case Kind::change_prompt: break;  // the hook wraps the prompt function
      case Kind::source_script: {
        const std::string script = quote(step.value, Shell::powershell);
        result += "if (Test-Path -LiteralPath " + script + ") { try { . " + script +
                  " } catch { [Console]::Error.WriteLine(" +
                  quote(script_failed(step.value), Shell::powershell) + ") } }\n";
        break;
      }
    }
  }
  return result;
}

}  // namespace

std::string render(const ActivationPlan& plan, Shell shell) {
  switch (shell) {
    case Shell::fish: return render_fish(plan);
    case Shell::tcsh: return render_tcsh(plan);
    case Shell::xonsh: return render_xonsh(plan);
    case Shell::powershell: return render_powershell(plan);
    default: return render_posix(plan, shell);
  }
}

}  // namespace envtool

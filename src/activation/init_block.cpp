#include <optional>

#include "envtool/activation/hook.hpp"
#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"

namespace envtool {
namespace {

constexpr std::string_view start_marker = "# >>> envtool initialize >>>";
constexpr std::string_view end_marker = "# <<< envtool initialize <<<";

// A block's place in the text, its final line break included.
struct Range {
  std::size_t begin;
  std::size_t end;
};

struct Line {
  std::size_t begin;
  std::size_t end;  // behind the line break
  std::size_t number;
};

std::optional<Line> find_marker(std::string_view text, std::string_view marker, std::size_t from) {
  std::size_t number = 1;
  for (std::size_t begin = 0; begin < text.size(); ++number) {
    const std::size_t newline = text.find('\n', begin);
    const std::size_t end = newline == std::string_view::npos ? text.size() : newline + 1;
    if (begin >= from && strip(text.substr(begin, end - begin)) == marker) return Line{begin, end, number};
    begin = end;
  }
  return std::nullopt;
}

// The next block at or after `from`. A marker without its partner is an error: guessing where the
// block ends would delete lines of the user's.
std::optional<Range> find_block(std::string_view text, std::size_t from, const std::string& origin) {
  const auto refuse = [&](const Line& line, std::string_view found, std::string_view missing) {
    throw Error("cannot edit the shell's start file", ErrorKind::invalid_input)
        .at(origin, line.number, 1)
        .because("`" + std::string(found) + "` stands there without `" + std::string(missing) + "`")
        .hint("remove the rest of the envtool block by hand");
  };
  const auto start = find_marker(text, start_marker, from);
  const auto end = find_marker(text, end_marker, from);
  if (!start && !end) return std::nullopt;
  if (!start || (end && end->begin < start->begin)) refuse(*end, end_marker, start_marker);
  if (!end) refuse(*start, start_marker, end_marker);
  const auto second = find_marker(text, start_marker, start->end);
  if (second && second->begin < end->begin) refuse(*start, start_marker, end_marker);
  return Range{start->begin, end->end};
}

// What runs the hook, guarded so that a removed program leaves the shell usable.
std::string block_body(Shell shell, const HookSettings& settings) {
  const std::string exe = quote(settings.executable, shell);
  const std::string name(shell_name(shell));
  switch (shell) {
    case Shell::fish:
      return "if test -x " + exe + "\n    " + exe + " shell hook -s fish | source\nend\n";
    // through a file: back quotes would expand the program's path
    case Shell::tcsh:
      return "if (-x " + exe + ") then\n    setenv ENVTOOL_EXE " + exe +
             "\n    set _envtool_file = `mktemp`\n"
             "    $ENVTOOL_EXE:q shell hook -s tcsh > $_envtool_file:q\n"
             "    source $_envtool_file:q\n    rm -f $_envtool_file:q\n    unset _envtool_file\nendif\n";
    case Shell::xonsh:
      return "import os as __envtool_os, subprocess as __envtool_subprocess\nif __envtool_os.access(" + exe +
             ", __envtool_os.X_OK):\n    execx(__envtool_subprocess.run([" + exe +
             ", 'shell', 'hook', '-s', 'xonsh'], stdout=__envtool_subprocess.PIPE)"
             ".stdout.decode('utf-8', 'surrogateescape'), 'exec', __xonsh__.ctx, filename='envtool')\n"
             "del __envtool_os, __envtool_subprocess\n";
    case Shell::powershell:
      return "if (Test-Path -LiteralPath " + exe + ") {\n    (& " + exe +
             " shell hook -s powershell) -join \"`n\" | Invoke-Expression\n}\n";
    default:
      return "if [ -x " + exe + " ]; then\n    eval \"$(" + exe + " shell hook -s " + name + ")\"\nfi\n";
  }
}

std::string root_prefix_line(Shell shell, const std::string& root_prefix) {
  if (root_prefix.empty()) return "";
  const std::string value = quote(root_prefix, shell);
  switch (shell) {
    case Shell::fish: return "set -gx ENVTOOL_ROOT_PREFIX " + value + "\n";
    case Shell::tcsh: return "setenv ENVTOOL_ROOT_PREFIX " + value + "\n";
    case Shell::xonsh: return "$ENVTOOL_ROOT_PREFIX = " + value + "\n";
    case Shell::powershell: return "$Env:ENVTOOL_ROOT_PREFIX = " + value + "\n";
    default: return "export ENVTOOL_ROOT_PREFIX=" + value + "\n";
  }
}

}  // namespace

std::string init_block(Shell shell, const HookSettings& settings) {
  std::string result(start_marker);
  result += "\n# Written by `envtool shell init`, which replaces everything between the markers.\n";
  result += root_prefix_line(shell, settings.root_prefix);
  result += block_body(shell, settings);
  if (!settings.auto_activate.empty()) result += "envtool activate " + quote(settings.auto_activate, shell) + "\n";
  result += end_marker;
  return result + "\n";
}

std::string insert_init_block(std::string_view text, std::string_view block, const std::string& origin) {
  const auto first = find_block(text, 0, origin);
  if (!first) {
    std::string result(text);
    if (!result.empty()) result += result.ends_with('\n') ? "\n" : "\n\n";
    return result + std::string(block);
  }
  // Later blocks, left by copying, go; the first keeps its place.
  const std::string before(text.substr(0, first->begin));
  const std::string after = remove_init_block(text.substr(first->end), origin);
  return before + std::string(block) + after;
}

std::string remove_init_block(std::string_view text, const std::string& origin) {
  std::string result;
  std::size_t done = 0;
  while (const auto block = find_block(text, done, origin)) {
    std::string_view before = text.substr(done, block->begin - done);
    // the empty line that inserting put in front
    if (before.ends_with("\n\n")) before.remove_suffix(1);
    result += before;
    done = block->end;
  }
  result += text.substr(done);
  return result;
}

}  // namespace envtool

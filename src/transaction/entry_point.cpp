#include <algorithm>

#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"
#include "envtool/transaction/link_plan.hpp"

namespace envtool {

namespace {
/// The first line or lines of a Python script. An interpreter path that `#!` cannot hold goes through
/// `/bin/sh`: the shell sees an `exec` command, Python a string that it ignores.
std::string python_shebang(const std::string& executable) {
  const std::string line = "#!" + executable;
  if (line.size() <= longest_shebang && line.find_first_of(" \t") == std::string::npos) return line + "\n";
  if (executable.find_first_of("'\\") != std::string::npos)
    throw Error("cannot write a console script for this environment", ErrorKind::invalid_input)
        .at(executable)
        .because("the interpreter's path is too long or has spaces, and it holds a quote or backslash")
        .hint("choose another path for the environment");
  // Double quotes as conda writes them, unless the shell would read something into the path.
  const char quote = executable.find_first_of("\"$`") == std::string::npos ? '"' : '\'';
  return "#!/bin/sh\n'''exec' " + (quote + executable + quote) + " \"$0\" \"$@\"\n' '''\n";
}
}  // namespace

std::string entry_point_script(const EntryPoint& entry_point, const std::string& python_executable) {
  if (std::any_of(python_executable.begin(), python_executable.end(),
                  [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }))
    throw Error("cannot write a console script for this environment", ErrorKind::invalid_input)
        .at(escape_control(python_executable))
        .because("the path holds a control character");
  const std::string imported(split(entry_point.function, '.').front());
  return python_shebang(python_executable) + "# -*- coding: utf-8 -*-\nimport sys\n\nfrom " + entry_point.module +
         " import " + imported + "\n\nif __name__ == '__main__':\n    sys.exit(" + entry_point.function + "())\n";
}

}  // namespace envtool

#include "envtool/activation/shell.hpp"

#include <algorithm>
#include <array>
#include <cstdint>

#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"

namespace envtool {
namespace {

struct Spelling {
  std::string_view name;
  Shell shell;
};

// What `$SHELL`, `/proc` and users call them. The first of a shell is its own name.
constexpr std::array spellings{
    Spelling{"posix", Shell::posix},           Spelling{"bash", Shell::bash},
    Spelling{"zsh", Shell::zsh},               Spelling{"dash", Shell::dash},
    Spelling{"fish", Shell::fish},             Spelling{"tcsh", Shell::tcsh},
    Spelling{"xonsh", Shell::xonsh},           Spelling{"powershell", Shell::powershell},
    Spelling{"sh", Shell::posix},              Spelling{"ash", Shell::posix},
    Spelling{"busybox", Shell::posix},         Spelling{"ksh", Shell::posix},
    Spelling{"ksh93", Shell::posix},           Spelling{"mksh", Shell::posix},
    Spelling{"csh", Shell::tcsh},              Spelling{"pwsh", Shell::powershell},
};

std::string quote_posix(std::string_view text) { return "'" + replace_all(text, "'", "'\\''") + "'"; }

// csh looks for history marks and line ends before it looks at quotes; both need a backslash.
std::string quote_tcsh(std::string_view text) {
  std::string result = "'";
  for (const char c : text) {
    switch (c) {
      case '\'': result += "'\\''"; break;
      case '!': result += "\\!"; break;
      case '\n': result += "\\\n"; break;
      default: result += c;
    }
  }
  return result + "'";
}

std::string quote_fish(std::string_view text) {
  return "'" + replace_all(replace_all(text, "\\", "\\\\"), "'", "\\'") + "'";
}

// PowerShell takes the typographic single quotes for quotes, too; each is doubled.
std::string quote_powershell(std::string_view text) {
  std::string result = "'";
  for (std::size_t i = 0; i < text.size(); ++i) {
    const std::string_view rest = text.substr(i);
    if (rest.front() == '\'') {
      result += "''";
    } else if (rest.starts_with("\u2018") || rest.starts_with("\u2019") || rest.starts_with("\u201A") ||
               rest.starts_with("\u201B")) {
      result.append(rest.substr(0, 3)).append(rest.substr(0, 3));
      i += 2;
    } else {
      result += rest.front();
    }
  }
  return result + "'";
}

// A Python string literal of printable ASCII. Characters outside are kept when the text is UTF-8;
// other bytes become the lone surrogates by which Python stands for them in the environment.
std::string quote_python(std::string_view text) {
  constexpr std::string_view digits = "0123456789abcdef";
  const bool keep_utf8 = is_valid_utf8(text);
  std::string result = "'";
  for (const char c : text) {
    const auto byte = static_cast<std::uint8_t>(c);
    if (c == '\'' || c == '\\') {
      result += '\\';
      result += c;
    } else if (byte < 0x20 || byte == 0x7f) {
      result += "\\x";
      result += digits[byte >> 4];
      result += digits[byte & 15];
    } else if (byte >= 0x80 && !keep_utf8) {
      result += "\\udc";
      result += digits[byte >> 4];
      result += digits[byte & 15];
    } else {
      result += c;
    }
  }
  return result + "'";
}

}  // namespace

const std::vector<Shell>& all_shells() {
  static const std::vector<Shell> shells{Shell::posix, Shell::bash, Shell::zsh,   Shell::dash,
                                         Shell::fish,  Shell::tcsh, Shell::xonsh, Shell::powershell};
  return shells;
}

std::string_view shell_name(Shell shell) {
  return std::find_if(spellings.begin(), spellings.end(),
                      [&](const Spelling& spelling) { return spelling.shell == shell; })
      ->name;
}

std::optional<Shell> find_shell(std::string_view name) {
  if (const auto slash = name.find_last_of("/\\"); slash != std::string_view::npos) {
    name.remove_prefix(slash + 1);
  }
  if (name.starts_with('-')) name.remove_prefix(1);  // a login shell
  std::string lower = to_lower(name);
  if (lower.ends_with(".exe")) lower.resize(lower.size() - 4);
  for (const Spelling& spelling : spellings) {
    if (spelling.name == lower) return spelling.shell;
  }
  return std::nullopt;
}

Shell parse_shell(std::string_view name) {
  if (const auto shell = find_shell(name)) return *shell;
  std::vector<std::string> names;
  for (const Shell shell : all_shells()) names.emplace_back(shell_name(shell));
  Error error("unknown shell `" + escape_control(name) + "`", ErrorKind::usage);
  for (const std::string& match : closest_matches(name, names, 1)) error.hint("did you mean `" + match + "`?");
  error.hint("the shells are " + join(names, ", "));
  throw error;
}

bool is_posix_like(Shell shell) {
  return shell == Shell::posix || shell == Shell::bash || shell == Shell::zsh || shell == Shell::dash;
}

std::string_view script_extension(Shell shell) {
  switch (shell) {
    case Shell::fish: return ".fish";
    case Shell::tcsh: return ".csh";
    case Shell::powershell: return ".ps1";
    default: return ".sh";
  }
}

std::string quote(std::string_view text, Shell shell) {
  if (text.find('\0') != std::string_view::npos) {
    throw Error("a NUL character cannot be passed to a shell", ErrorKind::invalid_input)
        .at(escape_control(text.substr(0, 80)));
  }
  switch (shell) {
    case Shell::tcsh: return quote_tcsh(text);
    case Shell::fish: return quote_fish(text);
    case Shell::xonsh: return quote_python(text);
    case Shell::powershell: return quote_powershell(text);
    default: return quote_posix(text);
  }
}

bool is_variable_name(std::string_view name) {
  const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  return !name.empty() && is_letter(name.front()) &&
         std::all_of(name.begin(), name.end(),
                     [&](char c) { return is_letter(c) || (c >= '0' && c <= '9'); });
}

std::string init_file(Shell shell, std::string_view home, std::string_view zdotdir,
                      std::string_view xdg_config_home) {
  const std::string base(home);
  const std::string config = xdg_config_home.empty() ? base + "/.config" : std::string(xdg_config_home);
  switch (shell) {
    case Shell::bash: return base + "/.bashrc";
    case Shell::zsh: return (zdotdir.empty() ? base : std::string(zdotdir)) + "/.zshrc";
    case Shell::fish: return config + "/fish/config.fish";
    case Shell::tcsh: return base + "/.tcshrc";
    case Shell::xonsh: return base + "/.xonshrc";
    case Shell::powershell: return config + "/powershell/profile.ps1";
    default: return base + "/.profile";
  }
}

}  // namespace envtool

#include <algorithm>

#include "archive_name.hpp"
#include "brackets.hpp"
#include "characters.hpp"
#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"
#include "envtool/base/url.hpp"
#include "envtool/specs/match_spec.hpp"
#include "match_spec_parser.hpp"

namespace envtool {

namespace {

// Room for a spec whose fields are as long as they may be, printed with all escapes.
constexpr std::size_t longest_spec = 256 * 1024;
constexpr std::size_t longest_name = 128;

bool is_operator_character(char c) {
  return c == '=' || c == '<' || c == '>' || c == '!' || c == '~';
}

/// The version and build of `name version build` or `name=version=build`.
struct VersionAndBuild {
  std::string_view version;
  std::string_view build;
  bool has_build = false;
  bool is_build_after_equals = false;
};

class SpecParser {
 public:
  SpecParser(std::string_view text, WhenAllowed when_allowed)
      : text_(strip(text)), when_allowed_(when_allowed) {}

  MatchSpec parse();

 private:
  bool parse_archive();
  void parse_archive_file(std::string_view file_name, bool is_location);
  void parse_hash(std::string_view hash);
  std::size_t find_brackets() const;
  void parse_positional(std::string_view text);
  std::string_view take_channel(std::string_view text);
  std::size_t name_length(std::string_view text) const;
  void set_name(std::string_view name);
  void set_version_and_build(std::string_view rest, bool has_space);
  VersionAndBuild split_version_and_build(std::string_view rest) const;

  std::string_view text_;
  WhenAllowed when_allowed_;
  MatchSpec spec_;
};

/// After the `$` that ends the regular expression at `begin`: the first that stands at the end or
/// before one of `followers`, which no regular expression has after a `$` that could match.
std::size_t regex_end(std::string_view text, std::size_t begin, std::string_view followers) {
  for (std::size_t i = begin + 1; i < text.size(); ++i) {
    if (text[i] == '$' && (i + 1 == text.size() || followers.find(text[i + 1]) != std::string_view::npos)) {
      return i + 1;
    }
  }
  return std::string_view::npos;
}

/// `channel[subdir]::package` of older tools, which CEP 29 leaves out.
void fail_before_colons(std::string_view brackets) {
  if (brackets.find("]::") != std::string_view::npos) {
    throw SpecProblem("square brackets stand before `::`", "write the subdir as `channel/subdir::package`");
  }
}

MatchSpec SpecParser::parse() {
  if (text_.empty()) {
    throw SpecProblem("it is empty", "write `*` for any package");
  }
  if (text_.size() > longest_spec) {
    throw SpecProblem("it is longer than " + std::to_string(longest_spec) + " characters");
  }
  if (parse_archive()) {
    return std::move(spec_);
  }
  const std::size_t brackets = find_brackets();
  parse_positional(strip(text_.substr(0, brackets)));
  if (brackets < text_.size() && text_[brackets] == '[') {
    std::size_t end = 0;
    const std::string_view rest = text_.substr(brackets);
    std::vector<BracketField> fields;
    try {
      fields = parse_brackets(rest, end);
    } catch (const SpecProblem&) {
      fail_before_colons(rest);
      throw;
    }
    apply_fields(spec_, fields, when_allowed_);
    const std::string_view after = strip(rest.substr(end));
    if (after.starts_with(':')) {
      fail_before_colons(rest);
    }
    if (after.starts_with('[')) {
      throw SpecProblem("there is more than one pair of square brackets",
                        "put all fields into one pair, separated by `,`");
    }
    if (!after.empty() && after.front() != '#') {
      throw SpecProblem(quoted(after) + " follows the square brackets",
                        "nothing comes after the square brackets");
    }
  }
  return std::move(spec_);
}

/// Where the square brackets or the comment begin. Regular expressions have brackets of their own.
std::size_t SpecParser::find_brackets() const {
  bool has_regex_end = true;  // once none is found, there is none further on
  for (std::size_t i = 0; i < text_.size(); ++i) {
    const char c = text_[i];
    if (c == '[' || (c == '#' && i > 0 && is_space(text_[i - 1]))) {
      return i;
    }
    if (c == '^' && has_regex_end) {
      const std::size_t end = regex_end(text_, i, " \t,|()[=<>!~");
      has_regex_end = end != std::string_view::npos;
      i = has_regex_end ? end - 1 : i;
    }
  }
  return text_.size();
}

bool SpecParser::parse_archive() {
  std::string_view location = text_;
  std::string_view hash;
  if (!has_archive_extension(location)) {
    const std::size_t mark = location.rfind('#');
    if (mark == std::string_view::npos || !has_archive_extension(location.substr(0, mark))) {
      return false;
    }
    hash = location.substr(mark + 1);
    location = location.substr(0, mark);
  }
  const bool is_url = Url::looks_like_url(location);
  const std::size_t colons = location.rfind("::");
  // A version may end like an archive (`foo=1.conda`), but then it is neither path nor file name.
  const std::string_view last = colons == std::string_view::npos ? location : location.substr(colons + 2);
  if (last.find_first_of("/\\") == std::string_view::npos && last.find_first_of(" \t=<>!~") != std::string_view::npos) {
    return false;
  }
  if (colons != std::string_view::npos) {
    // `channel::name-version-build.conda`, conda's distribution strings.
    set_channel(spec_, strip(location.substr(0, colons)));
    spec_.fn = std::string(strip(location.substr(colons + 2)));
    parse_archive_file(spec_.fn, false);
  } else if (is_url) {
    set_location(spec_, location);
    const Url url = Url::parse(location);
    spec_.fn = url.file_name();
    parse_archive_file(spec_.fn, true);
    const std::string folder = url.parent().with_credentials().reveal();
    std::string_view channel = folder;
    const std::string_view subdir = take_subdir(channel);
    if (!subdir.empty()) {
      spec_.channel = std::string(channel);
      spec_.subdir = std::string(subdir);
    }
  } else {
    set_location(spec_, location);
    const std::size_t slash = location.find_last_of("/\\");
    spec_.fn = std::string(slash == std::string_view::npos ? location : location.substr(slash + 1));
    parse_archive_file(spec_.fn, true);
  }
  if (!hash.empty()) {
    parse_hash(hash);
  }
  return true;
}

void SpecParser::parse_archive_file(std::string_view file_name, bool is_location) {
  const std::optional<ArchiveName> parts = split_archive_name(file_name);
  if (!parts || parts->name.front() == '^' || file_name.find('*') != std::string_view::npos ||
      parts->build.front() == '^') {
    throw SpecProblem("the file name " + quoted(file_name) + " is not of the form `name-version-build.conda`",
                      is_location ? "packages cannot be renamed: the file name says what they are" : "");
  }
  set_name(parts->name);
  spec_.version = VersionSpec::equal_to(Version::parse(parts->version));
  set_build(spec_, parts->build);
}

void SpecParser::parse_hash(std::string_view hash) {
  const std::string_view digits = hash.starts_with("sha256:") ? hash.substr(7)
                                  : hash.starts_with("md5:")  ? hash.substr(4)
                                                              : hash;
  if (!hash.starts_with("md5:")) {
    spec_.sha256 = Sha256::parse(digits);
  }
  if (!hash.starts_with("sha256:")) {
    spec_.md5 = Md5::parse(digits);
  }
  if (!spec_.sha256 && !spec_.md5) {
    throw SpecProblem("after `#` stands " + quoted(hash) + ", which is neither an MD5 nor a SHA-256 sum",
                      "an MD5 sum has 32 hexadecimal digits, a SHA-256 sum 64");
  }
}

void SpecParser::parse_positional(std::string_view text) {
  text = take_channel(text);
  const std::size_t length = name_length(text);
  set_name(text.substr(0, length));
  const std::string_view rest = text.substr(length);
  const std::string_view stripped = strip(rest);
  if (!stripped.empty()) {
    set_version_and_build(stripped, is_space(rest.front()));
  }
}

/// `channel:namespace:name`; the namespace is read and ignored (CEP 29).
std::string_view SpecParser::take_channel(std::string_view text) {
  const std::size_t colon = text.substr(0, text.find('^')).rfind(':');
  if (colon == std::string_view::npos) {
    return text;
  }
  const std::string_view left = text.substr(0, colon);
  const std::size_t previous = left.rfind(':');
  if (Url::looks_like_url(text) && (previous == std::string_view::npos || left.substr(previous).starts_with("://"))) {
    throw SpecProblem("a URL must end in `.conda` or `.tar.bz2`",
                      "for a package of a channel write `<channel URL>::<package>`");
  }
  const std::string_view name_space = strip(previous == std::string_view::npos ? left : left.substr(previous + 1));
  for (char c : name_space) {
    if (!is_letter(c) && !is_digit(c) && c != '-' && c != '_' && c != '.') {
      throw SpecProblem("a single `:` stands after " + quoted(left),
                        "separate channel and package with `::`");
    }
  }
  if (previous != std::string_view::npos) {
    set_channel(spec_, strip(left.substr(0, previous)));
  }
  return strip(text.substr(colon + 1));
}

std::size_t SpecParser::name_length(std::string_view text) const {
  if (text.starts_with('^')) {
    const std::size_t end = regex_end(text, 0, " \t=<>!~");
    if (end == std::string_view::npos) {
      throw SpecProblem("a regular expression starts with `^` and has no `$` at its end");
    }
    return end;
  }
  std::size_t length = 0;
  while (length < text.size() && !is_space(text[length]) && !is_operator_character(text[length])) {
    ++length;
  }
  return length;
}

void SpecParser::set_name(std::string_view name) {
  if (name.empty()) {
    throw SpecProblem("the package name is missing", "write `*` for any package");
  }
  if (name.starts_with('^')) {
    spec_.name_matcher = StringMatcher::parse(name);
    spec_.name = std::string(name);
    return;
  }
  bool has_glob = false;
  for (char c : name) {
    if (c == '*') {
      has_glob = true;
    } else if (!is_letter(c) && !is_digit(c) && c != '-' && c != '_' && c != '.') {
      const std::string why = quoted(name) + " is not a package name: it contains " + quoted(std::string_view(&c, 1));
      if (c == '@') {
        throw SpecProblem(why, "features (`@name`) are not supported; ask for the package that has them");
      }
      if (c == ',' || c == '|' || c == ';') {
        throw SpecProblem(why, "give several packages as separate specs");
      }
      throw SpecProblem(why);
    }
  }
  if (name.front() == '-' || name.front() == '.') {
    throw SpecProblem(quoted(name) + " is not a package name: it starts with `" + name.front() + "`");
  }
  if (name.size() > longest_name) {
    throw SpecProblem("the package name is longer than " + std::to_string(longest_name) + " characters");
  }
  spec_.name = to_lower(name);
  if (has_archive_extension(spec_.name)) {
    throw SpecProblem(quoted(name) + " is not a package name: it ends like a package file");
  }
  if (has_glob && spec_.name != "*") {
    spec_.name_matcher = StringMatcher::parse(name);
  }
}

VersionAndBuild SpecParser::split_version_and_build(std::string_view rest) const {
  VersionAndBuild parts;
  char previous = 0;  // the last character that is not a space
  for (std::size_t i = 0; i < rest.size(); ++i) {
    const char c = rest[i];
    if (c == '^') {
      const std::size_t end = rest.find('$', i);
      if (end == std::string_view::npos) {
        break;  // the version's own parser says what is wrong
      }
      i = end;
      previous = '$';
      continue;
    }
    if (is_space(c)) {
      std::size_t next = i;
      while (is_space(rest[next])) {
        ++next;  // `rest` is stripped, so something follows
      }
      const char after = rest[next];
      // `!` is an operator only before `=`; elsewhere it belongs to a version (an epoch).
      const bool is_operator_after = after == '!' ? rest.substr(next).starts_with("!=") : is_operator_character(after);
      const bool is_inside = previous == 0 || (is_operator_character(previous) && previous != '!') || previous == ',' ||
                             previous == '|' || previous == '(' || is_operator_after || after == ',' ||
                             after == '|' || after == ')' || after == '(';
      if (!is_inside) {
        parts.version = rest.substr(0, i);
        parts.build = rest.substr(next);
        parts.has_build = true;
        return parts;
      }
      i = next - 1;
      continue;
    }
    const bool is_separator = c == '=' && previous != 0 && i > 0 && !is_space(rest[i - 1]) &&
                              !is_operator_character(previous) && previous != ',' && previous != '|' &&
                              previous != '(' && (i + 1 == rest.size() || rest[i + 1] != '=');
    if (is_separator) {
      parts.version = rest.substr(0, i);
      parts.build = rest.substr(i + 1);
      parts.has_build = true;
      parts.is_build_after_equals = true;
      return parts;
    }
    previous = c;
  }
  parts.version = rest;
  return parts;
}

void SpecParser::set_version_and_build(std::string_view rest, bool has_space) {
  const bool has_single_equals = rest.front() == '=' && (rest.size() == 1 || rest[1] != '=');
  VersionAndBuild parts = split_version_and_build(rest);
  if (parts.has_build) {
    // CEP 29 forbids to mix spaces and `=`. Published packages do (`blas =2.127=mkl`), so a mixture
    // is read where it has one meaning. `name=1.8 build` has two: exact to conda, and fuzzy if the
    // `=` is an operator as in `name =1.8 build`.
    if (!parts.is_build_after_equals && has_single_equals && !has_space &&
        parts.version.find('*') == std::string_view::npos) {
      const std::string version(parts.version.substr(1));
      const std::string build(strip(parts.build));
      throw SpecProblem("it separates its parts by both spaces and `=`",
                        "write " + quoted(spec_.name + "=" + version + "=" + build) + " for this very version or " +
                            quoted(spec_.name + " " + version + ".* " + build) + " for any that starts so");
    }
    if (parts.is_build_after_equals && has_single_equals) {
      // Both `=` are separators, so the version is exact (CEP 29).
      parts.version.remove_prefix(1);
      if (!parts.version.empty() && is_operator_character(parts.version.front())) {
        throw SpecProblem("`=` and " + quoted(parts.version) + " stand side by side");
      }
    }
  }
  spec_.version = VersionSpec::parse(parts.version);
  if (parts.has_build) {
    set_build(spec_, parts.build);
  }
}

}  // namespace

MatchSpec parse_match_spec(std::string_view text, WhenAllowed when_allowed) {
  const auto fail = [&](const std::string& why, const std::string& hint) {
    Error error("invalid match spec " + quoted(text), ErrorKind::invalid_input);
    error.because(why);
    if (!hint.empty()) {
      error.hint(hint);
    }
    return error;
  };
  try {
    return SpecParser(text, when_allowed).parse();
  } catch (const SpecProblem& problem) {
    throw fail(problem.what(), problem.hint);
  } catch (const Error& inner) {
    throw fail(inner.message() + (inner.why().empty() ? "" : ": " + inner.why()),
               inner.hints().empty() ? std::string() : inner.hints().front());
  }
}

MatchSpec MatchSpec::parse(std::string_view text) {
  return parse_match_spec(text, WhenAllowed::yes);
}

}  // namespace envtool

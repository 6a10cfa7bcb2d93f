#include "envtool/envfile/spec_file.hpp"

#include <algorithm>

#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"

namespace envtool {
namespace {

constexpr std::size_t size_limit = 4u << 20;

bool has_archive_extension(std::string_view text) { return text.ends_with(".conda") || text.ends_with(".tar.bz2"); }

// `# platform: linux-64`
std::string platform_of_comment(std::string_view comment) {
  comment.remove_prefix(1);
  comment = strip(comment);
  constexpr std::string_view key = "platform:";
  return comment.starts_with(key) ? std::string(strip(comment.substr(key.size()))) : std::string();
}

bool is_pip_option(std::string_view line) {
  return line.starts_with("--") || line.starts_with("-r ") || line.starts_with("-e ") || line.starts_with("-c ") ||
         line.starts_with("-i ") || line.starts_with("-f ");
}

class Reader {
 public:
  Reader(const std::string& origin, const PathExpander& expand) : origin_(origin), expand_(expand) {}

  RequestedSpec read_spec(std::string_view line, std::size_t number, std::size_t column) const {
    if (is_pip_option(line)) {
      throw Error("the line is an option, not a package", ErrorKind::invalid_input)
          .at(origin_, number, column)
          .because("`" + escape_control(line.substr(0, 80)) + "` is for pip or for a command line")
          .hint("lines of a pip requirements file belong into the `pip:` section of an environment.yml");
    }
    // A comment behind the spec; URLs have `#` without a space before it.
    if (const auto comment = line.find(" #"); comment != std::string_view::npos) line = strip(line.substr(0, comment));
    try {
      return {MatchSpec::parse(line), std::string(line), place(number, column), ""};
    } catch (const Error& cause) {
      Error error("a line is not a package specification", ErrorKind::invalid_input);
      error.at(origin_, number, column).caused_by(cause);
      if (line.find(';') != std::string_view::npos || line.find("~=") != std::string_view::npos) {
        error.hint("if this is a pip requirements file, put its lines into the `pip:` section of an environment.yml");
      }
      throw error;
    }
  }

  ExplicitPackage read_package(std::string_view line, std::size_t number, std::size_t column) const {
    ExplicitPackage package;
    package.where = place(number, column);
    std::string_view location = line;
    if (const auto hash = line.rfind('#'); hash != std::string_view::npos) {
      location = strip(line.substr(0, hash));
      read_digest(line.substr(hash + 1), package, number, column + hash + 1);
    }
    if (!has_archive_extension(location)) {
      throw Error("a line of an `@EXPLICIT` file is not a package archive", ErrorKind::invalid_input)
          .at(origin_, number, column)
          .because("it does not end in `.conda` or `.tar.bz2`, with `#` and a digest behind it or not")
          .hint("without the line `@EXPLICIT` the file may list package specifications");
    }
    try {
      const std::string expanded = expand_ ? expand_(location) : std::string(location);
      if (Url::looks_like_url(expanded)) {
        package.url = Url::parse(expanded);
      } else if (expanded.starts_with('/')) {
        package.url = Url::from_path(expanded);
      } else {
        throw Error("the path is not absolute", ErrorKind::invalid_input);
      }
    } catch (const Error& cause) {
      throw Error("a line of an `@EXPLICIT` file cannot be understood", ErrorKind::invalid_input)
          .at(origin_, number, column)
          .caused_by(cause);
    }
    const std::string& scheme = package.url.scheme();
    if (scheme != "https" && scheme != "http" && scheme != "file") {
      throw Error("packages cannot be fetched from `" + escape_control(scheme) + "` URLs", ErrorKind::invalid_input)
          .at(origin_, number, column);
    }
    return package;
  }

 private:
  std::string place(std::size_t number, std::size_t column) const {
    return origin_ + ":" + std::to_string(number) + ":" + std::to_string(column);
  }

  void read_digest(std::string_view text, ExplicitPackage& package, std::size_t number, std::size_t column) const {
    text = strip(text);
    const bool says_sha256 = text.starts_with("sha256:");
    if (says_sha256) text.remove_prefix(7);
    if (!says_sha256) package.md5 = Md5::parse(text);
    if (!package.md5) package.sha256 = Sha256::parse(text);
    if (!package.md5 && !package.sha256) {
      throw Error("the digest of a package cannot be read", ErrorKind::invalid_input)
          .at(origin_, number, column)
          .because("expected 32 hexadecimal digits (MD5), or 64 (SHA-256) with or without `sha256:` before them");
    }
  }

  const std::string& origin_;
  const PathExpander& expand_;
};

struct Line {
  std::string_view text;
  std::size_t number;
  std::size_t column;
};

std::vector<Line> content_lines(std::string_view text) {
  std::vector<Line> result;
  std::size_t number = 0;
  for (const std::string_view line : split_lines(text)) {
    ++number;
    const std::string_view stripped = strip(line);
    if (!stripped.empty()) {
      result.push_back({stripped, number, static_cast<std::size_t>(stripped.data() - line.data()) + 1});
    }
  }
  return result;
}

}  // namespace

std::variant<SpecList, ExplicitSpec> parse_spec_file(std::string_view text, const std::string& origin,
                                                     const PathExpander& expand) {
  const auto refuse = [&](std::string why) {
    throw Error("the file cannot be read", ErrorKind::invalid_input).at(origin).because(std::move(why));
  };
  if (text.size() > size_limit) refuse("it is larger than " + human_size(size_limit));
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  if (!is_valid_utf8(text) || text.find('\0') != std::string_view::npos) refuse("it is not UTF-8 text");

  const std::vector<Line> lines = content_lines(text);
  const bool is_explicit =
      std::any_of(lines.begin(), lines.end(), [](const Line& line) { return line.text == "@EXPLICIT"; });
  const Reader reader(origin, expand);
  SpecList list;
  ExplicitSpec archives;
  std::string platform;
  for (const Line& line : lines) {
    if (line.text.starts_with('#')) {
      if (platform.empty()) platform = platform_of_comment(line.text);
    } else if (line.text == "@EXPLICIT") {
      continue;
    } else if (is_explicit) {
      archives.packages.push_back(reader.read_package(line.text, line.number, line.column));
    } else {
      list.specs.push_back(reader.read_spec(line.text, line.number, line.column));
    }
  }
  if (is_explicit) {
    archives.platform = platform;
    return archives;
  }
  list.platform = platform;
  return list;
}

std::string to_explicit(const ExplicitSpec& spec, ExplicitDigest digest) {
  std::string out =
      "# This file may be used to create an environment using:\n"
      "# $ envtool create --name <env> --file <this file>\n";
  if (!spec.platform.empty()) out += "# platform: " + escape_control(spec.platform) + "\n";
  out += "@EXPLICIT\n";
  for (const ExplicitPackage& package : spec.packages) {
    out += package.url.str();
    const bool wants_sha256 = digest == ExplicitDigest::sha256;
    if (digest != ExplicitDigest::none && package.sha256 && (wants_sha256 || !package.md5)) {
      out += "#sha256:" + package.sha256->hex();
    } else if (digest != ExplicitDigest::none && package.md5) {
      out += "#" + package.md5->hex();
    }
    out += "\n";
  }
  return out;
}

}  // namespace envtool

#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "envtool/base/digest.hpp"
#include "envtool/base/url.hpp"
#include "envtool/envfile/environment_spec.hpp"

namespace envtool {

/// A text spec file that lists wishes (CEP 23, without `@EXPLICIT`).
struct SpecList {
  std::vector<RequestedSpec> specs;
  /// Of a `# platform:` comment, or empty.
  std::string platform;
};

/// One archive of an `@EXPLICIT` file.
struct ExplicitPackage {
  /// Without fragment; may hold credentials.
  Url url;
  std::optional<Md5> md5;
  std::optional<Sha256> sha256;
  std::string where;
};

/// An `@EXPLICIT` file (CEP 23): archives in installation order, nothing to solve.
struct ExplicitSpec {
  std::vector<ExplicitPackage> packages;
  /// Of a `# platform:` comment, or empty.
  std::string platform;
};

/// Expands `~` and variables and makes a path absolute against the working directory. Given the
/// text before its `#`; URLs pass through it, too (variables are replaced in them as well, CEP 23).
using PathExpander = std::function<std::string(std::string_view)>;

/// Parses a text spec file; a line `@EXPLICIT` decides which kind it is. Throws `Error`
/// (invalid_input) with file and line for a spec or URL that cannot be understood, for lines of a
/// pip requirements file, and for a path that is not absolute when there is no expander.
std::variant<SpecList, ExplicitSpec> parse_spec_file(std::string_view text, const std::string& origin,
                                                     const PathExpander& expand = {});

/// Which digest the lines of an `@EXPLICIT` file end with.
enum class ExplicitDigest { none, md5, sha256 };

/// The text of an `@EXPLICIT` file, without credentials. A package that lacks the digest asked for
/// gets the other one, if it has it.
std::string to_explicit(const ExplicitSpec& spec, ExplicitDigest digest = ExplicitDigest::md5);

/// What a file with environments or packages in it is.
enum class FileKind { environment_yml, spec_list, explicit_list, conda_lock, pixi_lock, requirements };

/// Tells from name and content; content decides between the kinds that share an extension. Never
/// throws: what is nothing else counts as `environment_yml` (by extension or a `dependencies:` line)
/// or `spec_list`.
FileKind detect_file_kind(std::string_view name, std::string_view text);

}  // namespace envtool

#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "envtool/records/package_record.hpp"
#include "envtool/records/prefix_record.hpp"

namespace envtool {

/// Where an environment's Python keeps what `noarch: python` packages bring (CEP 17, CEP 20).
struct PythonLayout {
  /// `3.12`
  std::string major_minor;
  /// Relative to the prefix, `lib/python3.12/site-packages` unless the record says otherwise (CEP 17).
  std::string site_packages;
  /// The interpreter, relative to the prefix: `bin/python3.12`.
  std::string executable;
  /// The tag in the names of byte-compiled files: `cpython-312`; empty for Python 2.
  std::string cache_tag;
  bool operator==(const PythonLayout&) const = default;

  /// The byte-compiled file that belongs to a `.py` file.
  std::string pyc_path(std::string_view py_path) const;
};

/// The layout that a `python` record gives. Throws `Error` (unsafe) when its site-packages path
/// would leave the prefix or reach into `conda-meta` (CEP 17), invalid_input for an odd version.
PythonLayout python_layout(const PackageRecord& python);

/// The layout of the environment's `python`, or nothing when it has none.
std::optional<PythonLayout> find_python_layout(std::span<const PrefixRecord> installed);

/// Where a path of a `noarch: python` package goes: `site-packages/` and `python-scripts/` are
/// moved, anything else stays. Without a layout a path that needs one gives nothing.
std::optional<std::string> noarch_python_target(std::string_view package_path, const PythonLayout* python);

}  // namespace envtool

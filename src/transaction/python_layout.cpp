#include "envtool/transaction/python_layout.hpp"

#include <algorithm>

#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"

namespace envtool {

namespace {
constexpr std::string_view site_packages_folder = "site-packages/";
constexpr std::string_view scripts_folder = "python-scripts/";

bool is_number(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}
}  // namespace

std::string PythonLayout::pyc_path(std::string_view py_path) const {
  if (cache_tag.empty()) return std::string(py_path) + "c";
  const std::size_t slash = py_path.rfind('/');
  const std::string_view folder = slash == std::string_view::npos ? "" : py_path.substr(0, slash + 1);
  std::string_view stem = py_path.substr(folder.size());
  if (stem.ends_with(".py")) stem.remove_suffix(3);
  return std::string(folder) + "__pycache__/" + std::string(stem) + "." + cache_tag + ".pyc";
}

PythonLayout python_layout(const PackageRecord& python) {
  const auto parts = split(python.version, '.');
  // A version such as `3` alone has no minor number; the interpreter's name needs one.
  std::string minor;
  if (parts.size() >= 2)
    minor = std::string(parts[1].substr(0, std::min(parts[1].find_first_not_of("0123456789"), parts[1].size())));
  if (parts.size() < 2 || !is_number(parts[0]) || !is_number(minor))
    throw Error("cannot tell where Python keeps its packages", ErrorKind::invalid_input)
        .at(python.dist())
        .because("`" + escape_control(python.version) + "` is not a version of the form `major.minor`");

  PythonLayout layout;
  layout.major_minor = std::string(parts[0]) + "." + minor;
  layout.executable = "bin/python" + layout.major_minor;
  layout.site_packages = python.python_site_packages_path;
  if (layout.site_packages.empty()) layout.site_packages = "lib/python" + layout.major_minor + "/site-packages";
  while (layout.site_packages.size() > 1 && layout.site_packages.back() == '/') layout.site_packages.pop_back();
  if (!is_safe_relative_path(layout.site_packages) || layout.site_packages == "conda-meta" ||
      layout.site_packages.starts_with("conda-meta/"))
    throw Error("the Python package names a site-packages folder outside the environment", ErrorKind::unsafe)
        .at(python.dist())
        .because("`python_site_packages_path` is `" + escape_control(python.python_site_packages_path) + "`");
  if (parts[0] != "2") layout.cache_tag = "cpython-" + std::string(parts[0]) + minor;
  return layout;
}

std::optional<PythonLayout> find_python_layout(std::span<const PrefixRecord> installed) {
  for (const PrefixRecord& record : installed)
    if (record.name == "python") return python_layout(record);
  return std::nullopt;
}

std::optional<std::string> noarch_python_target(std::string_view package_path, const PythonLayout* python) {
  if (package_path.starts_with(site_packages_folder)) {
    if (python == nullptr) return std::nullopt;
    return python->site_packages + "/" + std::string(package_path.substr(site_packages_folder.size()));
  }
  if (package_path.starts_with(scripts_folder))
    return "bin/" + std::string(package_path.substr(scripts_folder.size()));
  return std::string(package_path);
}

}  // namespace envtool

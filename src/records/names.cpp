#include "envtool/records/package_record.hpp"
#include "envtool/specs/package_name.hpp"

namespace envtool {

std::string_view archive_extension(std::string_view file_name) {
  for (std::string_view extension : {std::string_view(".conda"), std::string_view(".tar.bz2")})
    if (file_name.size() > extension.size() && file_name.ends_with(extension))
      return file_name.substr(file_name.size() - extension.size());
  return {};
}

std::optional<ArchiveName> parse_archive_name(std::string_view file_name) {
  const std::string_view extension = archive_extension(file_name);
  if (extension.empty()) return std::nullopt;
  const std::string_view stem = file_name.substr(0, file_name.size() - extension.size());
  // Names may contain dashes, versions and builds may not: split from the right.
  const auto build_dash = stem.rfind('-');
  if (build_dash == std::string_view::npos || build_dash == 0) return std::nullopt;
  const auto version_dash = stem.rfind('-', build_dash - 1);
  if (version_dash == std::string_view::npos || version_dash == 0) return std::nullopt;
  ArchiveName name{std::string(stem.substr(0, version_dash)),
                   std::string(stem.substr(version_dash + 1, build_dash - version_dash - 1)),
                   std::string(stem.substr(build_dash + 1)), extension};
  if (!is_valid_package_name(name.name) || !is_valid_version_string(name.version) || !is_valid_build_string(name.build))
    return std::nullopt;
  return name;
}

void complete_from_index(RepoDataRecord& record, const PackageRecord& index) {
  if (!record.needs_index) return;
  record.needs_index = false;
  record.build_number = index.build_number;
  if (record.depends.empty()) record.depends = index.depends;
  record.constrains = index.constrains;
  record.extra_depends = index.extra_depends;
  record.track_features = index.track_features;
  record.features = index.features;
  record.flags = index.flags;
  if (!index.subdir.empty()) record.subdir = index.subdir;
  record.noarch = index.noarch;
  record.license = index.license;
  record.license_family = index.license_family;
  record.timestamp = index.timestamp;
  record.python_site_packages_path = index.python_site_packages_path;
  record.arch = index.arch;
  record.platform = index.platform;
}

}  // namespace envtool

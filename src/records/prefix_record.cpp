#include "envtool/records/prefix_record.hpp"

#include <algorithm>

#include "envtool/base/text.hpp"
#include "record_fields.hpp"

namespace envtool {

using detail::FieldReader;
using detail::Json;
using detail::OrderedJson;

PrefixRecord parse_prefix_record(std::string_view text, const std::string& origin) {
  const Json document = detail::parse_document(text, origin);
  const FieldReader fields(document, origin);
  PrefixRecord record;
  detail::read_repodata_record(fields, record);
  record.package_tarball_full_path = fields.string("package_tarball_full_path");
  record.extracted_package_dir = fields.string("extracted_package_dir");
  record.files = fields.string_list("files");
  for (const std::string& file : record.files)
    if (!is_safe_relative_path(file))
      throw Error("an installed package's record names a path outside the environment", ErrorKind::unsafe)
          .at(origin)
          .because("`" + escape_control(file) + "` is absolute or has an empty, `.` or `..` part");
  if (const Json* paths_data = fields.find("paths_data")) {
    const FieldReader data(*paths_data, origin);
    if (const Json* paths = data.find("paths")) {
      if (!paths->is_array()) data.fail("paths", "expected a list");
      record.paths.reserve(paths->size());
      for (const Json& item : *paths) record.paths.push_back(detail::read_path_entry(item, origin));
    }
  }
  // Records of very old tools have only `files`.
  if (record.paths.empty())
    for (const std::string& file : record.files) record.paths.emplace_back().path = file;
  if (const Json* link = fields.find("link")) {
    const FieldReader link_fields(*link, origin);
    record.link_source = link_fields.string("source");
    const std::uint64_t type = link_fields.unsigned_number("type");
    record.link_type = type >= 1 && type <= 4 ? static_cast<LinkType>(type) : LinkType::hardlink;
  }
  record.requested_specs = fields.string_list("requested_specs");
  if (record.requested_specs.empty())
    if (std::string spec = fields.string("requested_spec"); !spec.empty() && spec != "None")
      record.requested_specs.push_back(std::move(spec));
  if (const Json* placed = fields.find("envtool"); placed != nullptr && placed->is_object()) {
    const FieldReader placed_fields(*placed, origin);
    record.placed.emplace().executables = placed_fields.string_list("executables");
    std::sort(record.placed->executables.begin(), record.placed->executables.end());
    if (const Json* links = placed_fields.find("links"); links != nullptr && links->is_object())
      for (const auto& [path, target] : links->items())
        if (target.is_string()) record.placed->links.emplace(path, target.get<std::string>());
  }
  return record;
}

namespace {
OrderedJson write_path_entry(const PathEntry& entry) {
  OrderedJson object;
  object["_path"] = entry.path;
  object["path_type"] = detail::path_type_name(entry.path_type);
  if (!entry.prefix_placeholder.empty()) {
    object["file_mode"] = entry.file_mode == FileMode::binary ? "binary" : "text";
    object["prefix_placeholder"] = entry.prefix_placeholder;
  }
  if (entry.no_link) object["no_link"] = true;
  if (entry.sha256) object["sha256"] = entry.sha256->hex();
  if (entry.sha256_in_prefix) object["sha256_in_prefix"] = entry.sha256_in_prefix->hex();
  if (entry.size_in_bytes) object["size_in_bytes"] = *entry.size_in_bytes;
  return object;
}
}  // namespace

std::string to_json(const PrefixRecord& record) {
  OrderedJson object;
  detail::write_repodata_record(record, object);
  object["extracted_package_dir"] = record.extracted_package_dir;
  object["files"] = record.files;
  object["link"] = {{"source", record.link_source}, {"type", static_cast<int>(record.link_type)}};
  object["package_tarball_full_path"] = record.package_tarball_full_path;
  OrderedJson paths = OrderedJson::array();
  for (const PathEntry& entry : record.paths) paths.push_back(write_path_entry(entry));
  object["paths_data"] = {{"paths", std::move(paths)}, {"paths_version", 1}};
  // CEP 32: `requested_specs`; the older single form is what conda and mamba of today read.
  object["requested_spec"] = record.requested_specs.empty() ? "" : record.requested_specs.front();
  object["requested_specs"] = record.requested_specs;
  if (record.placed) object["envtool"] = {{"executables", record.placed->executables}, {"links", record.placed->links}};
  return object.dump(2, ' ', false, OrderedJson::error_handler_t::replace) + "\n";
}

}  // namespace envtool

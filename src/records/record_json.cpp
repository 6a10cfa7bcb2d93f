#include "envtool/records/record_json.hpp"

#include "record_fields.hpp"

namespace envtool {

using detail::FieldReader;

PackageRecord parse_index_json(std::string_view text, const std::string& origin) {
  const detail::Json document = detail::parse_document(text, origin);
  PackageRecord record;
  detail::read_package_record(FieldReader(document, origin), record);
  return record;
}

RepoDataRecord parse_repodata_record(std::string_view text, const std::string& origin) {
  const detail::Json document = detail::parse_document(text, origin);
  RepoDataRecord record;
  detail::read_repodata_record(FieldReader(document, origin), record);
  return record;
}

std::string to_json(const RepoDataRecord& record) {
  detail::OrderedJson object;
  detail::write_repodata_record(record, object);
  return object.dump(2, ' ', false, detail::OrderedJson::error_handler_t::replace) + "\n";
}

}  // namespace envtool

#include "json_output.hpp"

#include <nlohmann/json.hpp>

#include "envtool/base/url.hpp"
#include "terminal.hpp"

namespace envtool {

using Json = nlohmann::ordered_json;

std::string channel_display_name(const std::string& channel_url) {
  for (const char* server : {"https://conda.anaconda.org/", "https://repo.anaconda.com/"})
    if (channel_url.starts_with(server)) return channel_url.substr(std::string_view(server).size());
  return redact(channel_url);
}

Json dist_json(const RepoDataRecord& record) {
  return Json{{"base_url", redact(record.channel)},
              {"build_number", record.build_number},
              {"build_string", record.build},
              {"channel", channel_display_name(record.channel)},
              {"dist_name", record.dist()},
              {"name", record.name},
              {"platform", record.subdir},
              {"version", record.version}};
}

Json action_json(const RepoDataRecord& record) {
  Json object = dist_json(record);
  object["build"] = record.build;
  object["constrains"] = record.constrains;
  object["depends"] = record.depends;
  object["fn"] = record.fn;
  if (record.md5) object["md5"] = record.md5->hex();
  if (record.sha256) object["sha256"] = record.sha256->hex();
  object["size"] = record.size;
  object["subdir"] = record.subdir;
  if (record.timestamp != 0) object["timestamp"] = record.timestamp;
  object["url"] = redact(record.url);
  return object;
}

void print_json(const Json& document) { print_out(document.dump(2, ' ', false, Json::error_handler_t::replace) + "\n"); }

}  // namespace envtool

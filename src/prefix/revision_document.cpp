#include "revision_document.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "envtool/base/digest.hpp"
#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"
#include "envtool/base/url.hpp"
#include "envtool/records/paths_json.hpp"
#include "envtool/records/record_json.hpp"

namespace envtool::detail {

namespace {
/// Keys in order of their names: looking one up does not go through all, of which there may be hundreds.
using Json = nlohmann::json;

constexpr int format = 1;
constexpr std::size_t identifier_length = 32;
constexpr int most_depth = 64;
constexpr std::string_view checksum_key = ",\"sha256\":\"";

std::string dump(const Json& document) { return document.dump(-1, ' ', false, Json::error_handler_t::replace); }

std::string without_credentials(const std::string& url) {
  if (!Url::looks_like_url(url)) return url;
  try {
    return Url::parse(url).str();
  } catch (const Error&) {
    return redact(url);
  }
}

bool is_hex(std::string_view text, std::size_t length) {
  return text.size() == length && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

/// Fields of one object, with errors that name the file and the field.
class Reader {
 public:
  Reader(const Json& object, const std::string& origin) : object_(object), origin_(origin) {
    if (!object.is_object()) fail("an object is expected");
  }
  const Json* find(const char* key) const {
    const auto found = object_.find(key);
    return found == object_.end() || found->is_null() ? nullptr : &*found;
  }
  const Json& need(const char* key) const {
    if (const Json* value = find(key)) return *value;
    fail(std::string("`") + key + "` is missing");
  }
  std::string text(const char* key) const {
    const Json* value = find(key);
    return value == nullptr ? std::string() : as_text(*value, key);
  }
  std::string as_text(const Json& value, const char* key) const {
    if (!value.is_string()) fail(std::string("`") + key + "` is not a string");
    std::string result = value.get<std::string>();
    if (result.find('\0') != std::string::npos) fail(std::string("`") + key + "` has a NUL");
    return result;
  }
  std::string hex(const char* key, std::size_t length) const {
    std::string value = text(key);
    if (!value.empty() && !is_hex(value, length)) fail(std::string("`") + key + "` is no digest");
    return value;
  }
  bool boolean(const char* key) const {
    const Json* value = find(key);
    if (value == nullptr) return false;
    if (!value->is_boolean()) fail(std::string("`") + key + "` is neither true nor false");
    return value->get<bool>();
  }
  [[noreturn]] void fail(const std::string& why, ErrorKind kind = ErrorKind::corrupt) const {
    throw Error("cannot use the file of a revision", kind)
        .at(origin_)
        .because(why)
        .hint("other revisions are not affected; nothing was guessed");
  }

 private:
  const Json& object_;
  const std::string& origin_;
};

Json write_distribution(const PipDistribution& pip) {
  Json object{{"name", pip.name}, {"version", pip.version}, {"folder", pip.folder}};
  const auto put = [&](const char* key, const std::string& value) {
    if (!value.empty()) object[key] = value;
  };
  put("record", pip.record_digest);
  put("bundle", pip.bundle);
  put("direct_url", redact(pip.direct_url));
  put("installer", pip.installer);
  if (pip.editable) object["editable"] = true;
  if (pip.requested) object["requested"] = true;
  return object;
}

PipDistribution read_distribution(const Json& object, const std::string& origin) {
  const Reader fields(object, origin);
  PipDistribution pip;
  pip.name = fields.text("name");
  pip.version = fields.text("version");
  pip.folder = fields.text("folder");
  if (pip.name.empty()) fields.fail("a pip package has no name");
  if (!is_safe_relative_path(pip.folder) || pip.folder.starts_with("conda-meta"))
    fields.fail("`" + escape_control(pip.folder) + "` is no place for a pip package", ErrorKind::unsafe);
  pip.record_digest = fields.hex("record", 64);
  pip.bundle = fields.hex("bundle", 64);
  pip.direct_url = fields.text("direct_url");
  pip.installer = fields.text("installer");
  pip.editable = fields.boolean("editable");
  pip.requested = fields.boolean("requested");
  return pip;
}

/// The last field is the digest of the text without it.
bool has_right_checksum(std::string_view text) {
  if (text.ends_with('\n')) text.remove_suffix(1);
  constexpr std::size_t digest_length = 64;
  const std::size_t tail = checksum_key.size() + digest_length + 2;
  if (text.size() <= tail || !text.ends_with("\"}")) return false;
  const std::string_view body = text.substr(0, text.size() - tail), end = text.substr(text.size() - tail);
  if (!end.starts_with(checksum_key)) return false;
  Hasher<Sha256> hasher;
  hasher.update(body);
  hasher.update("}");
  return hasher.finish().hex() == end.substr(checksum_key.size(), digest_length);
}

/// How deep the text nests, as far as its brackets say.
int depth_of(std::string_view text) {
  int depth = 0, deepest = 0;
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      if (c == '\\') ++i;
      else if (c == '"') quoted = false;
    } else if (c == '"') {
      quoted = true;
    } else if (c == '[' || c == '{') {
      deepest = std::max(deepest, ++depth);
    } else if (c == ']' || c == '}') {
      --depth;
    }
  }
  return deepest;
}

/// Parses without trusting the nesting: the parser's library recurses when it destroys values.
Json parse_shallow(std::string_view text, const std::string& origin) {
  Json document = depth_of(text) > most_depth ? Json(Json::value_t::discarded) : Json::parse(text, nullptr, false);
  if (document.is_discarded())
    throw Error("cannot use the file of a revision", ErrorKind::corrupt)
        .at(origin)
        .because("it is not the JSON that envtool writes")
        .hint("other revisions are not affected; nothing was guessed");
  return document;
}
}  // namespace

std::string fingerprint(const HistoryEntry& entry) {
  std::vector<std::string> lines;
  for (const std::string& line : entry.linked) lines.push_back("+" + line);
  for (const std::string& line : entry.unlinked) lines.push_back("-" + line);
  for (const std::string& line : entry.state) lines.push_back(" " + line);
  std::sort(lines.begin(), lines.end());
  return sha256(entry.time + "\n" + join(lines, "\n")).hex();
}

std::string record_text(const RepoDataRecord& record) {
  RepoDataRecord clean = record;
  clean.url = without_credentials(record.url);
  clean.channel = without_credentials(record.channel);
  return dump(Json::parse(to_json(clean)));
}

std::string record_identifier(std::string_view text) { return sha256(text).hex().substr(0, identifier_length); }

std::string render_revision(const RevisionDocument& document) {
  Json object;
  object["envtool_revision"] = format;
  object["fingerprint"] = document.fingerprint;
  object["packages"] = document.packages;
  object["requested"] = Json::object();
  for (const auto& [name, specs] : document.state.requested) {
    Json list = Json::array();
    for (const std::string& spec : specs) list.push_back(redact(spec));
    object["requested"][name] = std::move(list);
  }
  object["pinned"] = document.state.pinned ? Json(redact(*document.state.pinned)) : Json();
  object["variables"] = document.state.variables ? Json(*document.state.variables) : Json();
  object["pip"] = Json::array();
  for (const PipDistribution& pip : document.state.pip) object["pip"].push_back(write_distribution(pip));
  object["records"] = Json::object();
  for (const auto& [identifier, text] : document.records) object["records"][identifier] = Json::parse(text);
  // The checksum is of the text without it, so that it can be checked before anything is understood.
  std::string text = dump(object);
  const std::string checksum = sha256(text).hex();
  text.pop_back();
  return text + std::string(checksum_key) + checksum + "\"}\n";
}

RevisionDocument parse_revision(std::string_view text, const std::string& origin) {
  const Json object = parse_shallow(text, origin);
  const Reader fields(object, origin);
  const Json& version = fields.need("envtool_revision");
  if (!version.is_number_integer()) fields.fail("it does not say its format");
  if (version.get<std::int64_t>() != format) fields.fail("it was written by a newer envtool");
  if (!has_right_checksum(text)) fields.fail("its checksum is wrong");

  RevisionDocument document;
  document.fingerprint = fields.hex("fingerprint", 64);
  const Json& packages = fields.need("packages");
  if (!packages.is_array()) fields.fail("`packages` is not a list");
  for (const Json& item : packages) {
    document.packages.push_back(fields.as_text(item, "packages"));
    if (!is_hex(document.packages.back(), identifier_length)) fields.fail("`packages` has something that names no record");
  }
  const Json& requested = fields.need("requested");
  if (!requested.is_object()) fields.fail("`requested` is not an object");
  for (const auto& [name, specs] : requested.items()) {
    if (!specs.is_array()) fields.fail("`requested` has something that is no list");
    for (const Json& spec : specs) document.state.requested[name].push_back(fields.as_text(spec, "requested"));
  }
  if (fields.find("pinned") != nullptr) {
    document.state.pinned = fields.text("pinned");
    for (const char c : *document.state.pinned)
      if ((static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\r' && c != '\t') || c == 0x7f) fields.fail("`pinned` has a control character");
  }
  if (const Json* variables = fields.find("variables"))
    document.state.variables = parse_state(Json{{"env_vars", *variables}}.dump(), origin);
  if (const Json* pip = fields.find("pip")) {
    if (!pip->is_array()) fields.fail("`pip` is not a list");
    for (const Json& item : *pip) document.state.pip.push_back(read_distribution(item, origin));
  }
  const Json& records = fields.need("records");
  if (!records.is_object()) fields.fail("`records` is not an object");
  for (const auto& [identifier, record] : records.items()) {
    std::string record_json = dump(record);
    if (record_identifier(record_json) != identifier) fields.fail("a package record is not what its name says");
    document.records.emplace(identifier, std::move(record_json));
  }
  return document;
}

}  // namespace envtool::detail

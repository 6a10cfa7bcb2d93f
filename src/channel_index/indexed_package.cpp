#include "indexed_package.hpp"

#include <algorithm>
#include <optional>

#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"
#include "envtool/records/package_record.hpp"
#include "envtool/records/record_json.hpp"
#include "envtool/specs/match_spec.hpp"
#include "envtool/specs/version.hpp"
#include "json.hpp"
#include "paths_summary.hpp"
#include "revision3.hpp"

namespace envtool {
namespace {

// Real ones have at most some hundred kilobytes; lists of paths are as long as their packages are large.
const std::vector<WantedInfo> wanted{{"info/index.json", std::uint64_t{4} << 20},
                                     {"info/about.json", std::uint64_t{4} << 20},
                                     {"info/run_exports.json", std::uint64_t{1} << 20},
                                     {"info/paths.json", std::uint64_t{256} << 20}};

/// The newest form of `info/index.json` that we know what to make of.
constexpr std::uint64_t known_schema_version = 3;

/// What a package says of itself and an index does not repeat: relics, and what is the index's own to say.
constexpr const char* dropped_keys[] = {"arch", "binstar", "channel", "fn", "has_prefix", "indexed_timestamp", "machine", "md5",
                                        "mtime", "operatingsystem", "platform", "requires_features", "sha256", "signatures", "size",
                                        "target-triplet", "ucs", "url"};

/// What `channeldata.json` takes from `info/about.json` (CEP 38, and what other indexers put there as well).
constexpr const char* about_keys[] = {"description", "dev_url", "doc_source_url", "doc_url", "home", "identifiers", "keywords",
                                      "license", "source_git_url", "source_url", "summary", "tags"};

[[noreturn]] void refuse(const std::string& path, const std::string& why) {
  throw Error("a package cannot be indexed", ErrorKind::invalid_input).at(path).because(why);
}

PackageSummary read_summary(const std::string& path, std::stop_token stop) {
  try {
    return read_package_summary(path, wanted, std::move(stop));
  } catch (const Error& error) {
    if ((error.kind() != ErrorKind::corrupt && error.kind() != ErrorKind::unsafe) || !error.causes().empty()) throw;
    // Its hints are for those who got the package from a channel; this is the channel.
    throw Error(error.message(), error.kind()).at(error.where()).because(error.why());
  }
}

class PackageReader {
 public:
  PackageReader(std::string path, const std::string& subdir, const std::string& file_name)
      : path_(std::move(path)), subdir_(subdir) {
    result_.package.file_name = file_name;
  }

  ReadPackage read(std::uint64_t now, std::stop_token stop) {
    const std::optional<ArchiveName> name = parse_archive_name(result_.package.file_name);
    if (!name) refuse(path_, "its file name is not made of name, version and build (CEP 26)");
    summary_ = read_summary(path_, std::move(stop));
    result_.package.stamp = summary_.stamp;
    result_.package.sha256 = summary_.sha256;
    const std::string* index = find("info/index.json");
    if (index == nullptr) refuse(path_, "it has no `info/index.json`");
    try {
      read_index(*index, *name, now);
    } catch (Error& error) {
      // What is wrong with a version or a spec does not know where it stands.
      if (error.where().empty()) error.at(path_);
      throw;
    }
    read_details();
    result_.package.run_exports = compact(read_run_exports());
    return std::move(result_);
  }

 private:
  const std::string* find(std::string_view path) const {
    for (const auto& [name, content] : summary_.info)
      if (name == path) return &content;
    return nullptr;
  }
  std::string origin(std::string_view member) const { return path_ + ": " + std::string(member); }
  void warn(const std::string& text) { result_.warnings.push_back(path_ + ": " + text); }

  void read_index(const std::string& text, const ArchiveName& name, std::uint64_t now) {
    Json record = parse_json(text, origin("info/index.json"));
    if (!record.is_object()) refuse(path_, "its `info/index.json` is not an object");
    // CEP 44 spells it with a dash, records (CEP 48) and build tools with an underscore.
    if (const auto dashed = record.find("extra-depends"); dashed != record.end()) {
      if (!record.contains("extra_depends")) record["extra_depends"] = *dashed;
      record.erase("extra-depends");
    }
    for (const char* key : dropped_keys) record.erase(key);
    const PackageRecord parsed = parse_index_json(compact(record), origin("info/index.json"));
    check_identity(parsed, name);
    check_schema(record);
    check_timestamp(parsed.timestamp, now);
    check_specs(parsed);
    record["subdir"] = subdir_;
    record["build"] = parsed.build;
    record["build_number"] = parsed.build_number;
    record["md5"] = summary_.md5.hex();
    record["sha256"] = summary_.sha256.hex();
    record["size"] = summary_.stamp.size;
    if (!record.contains("depends") || record["depends"].is_null()) record["depends"] = Json::array();
    license_ = parsed.license;
    result_.package.is_revision3 = needs_revision3(parsed);
    if (result_.package.is_revision3) write_revision3_specs(record);
    result_.package.record = compact(record);
  }

  void check_identity(const PackageRecord& record, const ArchiveName& name) const {
    const auto compare = [&](const char* what, const std::string& said, const std::string& expected) {
      if (said != expected)
        refuse(path_, std::string("its `info/index.json` has the ") + what + " `" + escape_control(said) + "`, its place says `" +
                          escape_control(expected) + "`");
    };
    compare("name", record.name, name.name);
    compare("version", record.version, name.version);
    compare("build", record.build, name.build);
    if (!record.subdir.empty()) compare("subdir", record.subdir, subdir_);
    Version::parse(record.version);
  }

  void check_schema(const Json& record) const {
    const auto version = record.find("schema_version");
    if (version == record.end() || version->is_null()) return;
    if (!version->is_number_unsigned() || version->get<std::uint64_t>() > known_schema_version)
      refuse(path_, "its `info/index.json` has the schema version " + escape_control(compact(*version)) + ", known are up to " +
                        std::to_string(known_schema_version));
  }

  void check_timestamp(std::uint64_t timestamp, std::uint64_t now) {
    if (timestamp > now) warn("says that it was built in the future");
  }

  void check_specs(const PackageRecord& record) {
    for (const auto* specs : {&record.depends, &record.constrains})
      for (const std::string& spec : *specs) {
        try {
          MatchSpec::parse(spec);
        } catch (const Error& error) {
          warn("the dependency `" + escape_control(spec) + "` is not understood: " + error.why());
        }
      }
  }

  /// An optional document of the package; what is wrong with it is no reason to leave the package out.
  Json optional_document(const char* member) {
    const std::string* text = find(member);
    if (text == nullptr) return {};
    try {
      return parse_json(*text, origin(member));
    } catch (const Error& error) {
      warn("its `" + std::string(member) + "` is passed over: " + error.why());
      return {};
    }
  }

  void read_details() {
    Json details{{"about", Json::object()}, {"paths", Json::array()}};
    const Json about = optional_document("info/about.json");
    if (about.is_object())
      for (const char* key : about_keys) {
        const auto value = about.find(key);
        if (value == about.end()) continue;
        const auto is_text = [](const Json& item) { return item.is_string() && !item.get_ref<const std::string&>().empty(); };
        if (is_text(*value) || (value->is_array() && !value->empty() && std::all_of(value->begin(), value->end(), is_text)))
          details["about"][key] = *value;
      }
    if (!license_.empty()) details["about"]["license"] = license_;
    if (const std::string* paths = find("info/paths.json")) {
      try {
        details["paths"] = summarise_paths(*paths, origin("info/paths.json"));
      } catch (const Error& error) {
        warn("its `info/paths.json` is passed over: " + error.why());
      }
    }
    result_.package.details = compact(details);
  }

  Json read_run_exports() {
    const Json document = optional_document("info/run_exports.json");
    Json result = Json::object();
    const auto is_spec_list = [](const Json& value) {
      return value.is_array() && std::all_of(value.begin(), value.end(), [](const Json& spec) { return spec.is_string(); });
    };
    if (is_spec_list(document)) {
      if (!document.empty()) result["weak"] = document;
      return result;
    }
    if (!document.is_object()) return result;
    for (const char* key : {"noarch", "strong", "strong_constrains", "weak", "weak_constrains"})
      if (const auto value = document.find(key); value != document.end() && is_spec_list(*value)) result[key] = *value;
    return result;
  }

  const std::string path_;
  const std::string& subdir_;
  PackageSummary summary_;
  std::string license_;
  ReadPackage result_;
};

}  // namespace

std::string_view IndexedPackage::stem() const {
  return std::string_view(file_name).substr(0, file_name.size() - archive_extension(file_name).size());
}

bool IndexedPackage::is_conda() const { return file_name.ends_with(".conda"); }

ReadPackage read_indexed_package(const std::string& subdir_folder, const std::string& subdir, const std::string& file_name,
                                 std::uint64_t now, std::stop_token stop) {
  return PackageReader(subdir_folder + "/" + file_name, subdir, file_name).read(now, std::move(stop));
}

}  // namespace envtool

#include "pip_distributions.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <unordered_set>

#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"
#include "envtool/base/url.hpp"
#include "envtool/os/files.hpp"
#include "envtool/records/paths_json.hpp"
#include "envtool/transaction/python_layout.hpp"

namespace envtool::detail {

namespace {
constexpr std::uint64_t metadata_limit = 4 << 20;
constexpr std::uint64_t table_limit = 64 << 20;

/// The value of a header line such as `Name: x` in a METADATA file.
std::string header(std::string_view metadata, std::string_view key) {
  for (std::string_view line : split_lines(metadata)) {
    if (line.empty()) break;
    if (line.starts_with(key) && line.size() > key.size() && line[key.size()] == ':')
      return std::string(strip(line.substr(key.size() + 1)));
  }
  return {};
}

void read_direct_url(const std::string& path, PipDistribution& distribution) {
  const auto text = read_file_if_exists(path, 1 << 20);
  if (!text) return;
  const auto document = nlohmann::json::parse(*text, nullptr, false);
  if (!document.is_object()) return;
  if (auto url = document.find("url"); url != document.end() && url->is_string())
    distribution.direct_url = redact(url->get<std::string>());
  if (auto info = document.find("dir_info"); info != document.end() && info->is_object())
    if (auto editable = info->find("editable"); editable != info->end() && editable->is_boolean())
      distribution.editable = editable->get<bool>();
}

/// `..` taken out; nothing for a path that leaves the prefix.
std::optional<std::string> inside_prefix(const Prefix& prefix, const std::string& site_packages, std::string_view path) {
  std::string whole;
  if (path.starts_with('/')) {
    if (!path.starts_with(prefix.path() + "/")) return std::nullopt;
    whole = std::string(path.substr(prefix.path().size() + 1));
  } else {
    whole = site_packages + "/" + std::string(path);
  }
  std::vector<std::string> parts;
  for (std::string_view part : split(whole, '/')) {
    if (part.empty() || part == ".") continue;
    if (part == "..") {
      if (parts.empty()) return std::nullopt;
      parts.pop_back();
    } else {
      parts.emplace_back(part);
    }
  }
  std::string result = join(parts, "/");
  if (!is_safe_relative_path(result) || parts.front() == "conda-meta") return std::nullopt;
  return result;
}

/// `sha256=<url-safe base64>`, as RECORD has it.
std::optional<Sha256> parse_table_digest(std::string_view text) {
  if (!text.starts_with("sha256=")) return std::nullopt;
  text.remove_prefix(7);
  Sha256 digest;
  std::size_t filled = 0;
  unsigned bits = 0, held = 0;
  for (char c : text) {
    if (c == '=') break;
    static constexpr std::string_view letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const std::size_t value = letters.find(c);
    if (value == std::string_view::npos) return std::nullopt;
    bits = (bits << 6U) | static_cast<unsigned>(value);
    held += 6;
    if (held < 8) continue;
    held -= 8;
    if (filled == digest.bytes.size()) return std::nullopt;
    digest.bytes[filled++] = static_cast<std::uint8_t>(bits >> held);
    bits &= (1U << held) - 1;
  }
  return filled == digest.bytes.size() ? std::optional(digest) : std::nullopt;
}
}  // namespace

std::vector<PipDistribution> installed_distributions(const Prefix& prefix, std::span<const PrefixRecord> records) {
  std::vector<PipDistribution> distributions;
  const auto layout = find_python_layout(records);
  if (!layout) return distributions;
  std::unordered_set<std::string_view> owned;
  for (const PrefixRecord& record : records)
    for (const std::string& file : record.files)
      if (file.ends_with("/METADATA") || file.ends_with("/PKG-INFO") || file.ends_with(".egg-info")) owned.insert(file);
  for (const std::string& name : list_directory(prefix / layout->site_packages)) {
    const bool wheel = name.ends_with(".dist-info");
    if (!wheel && !name.ends_with(".egg-info")) continue;
    const std::string folder = layout->site_packages + "/" + name;
    const std::string metadata = folder + (wheel ? "/METADATA" : "/PKG-INFO");
    if (owned.count(metadata) != 0 || owned.count(folder) != 0) continue;
    auto text = read_file_if_exists(prefix / metadata, metadata_limit);
    if (!text && !wheel && !is_directory(prefix / folder)) text = read_file_if_exists(prefix / folder, metadata_limit);
    if (!text) continue;
    PipDistribution distribution;
    distribution.name = header(*text, "Name");
    distribution.version = header(*text, "Version");
    distribution.folder = folder;
    if (distribution.name.empty()) continue;
    if (const auto table = read_file_if_exists(prefix / (folder + "/RECORD"), table_limit)) distribution.record_digest = sha256(*table).hex();
    distribution.installer = strip(read_file_if_exists(prefix / (folder + "/INSTALLER"), 4096).value_or(""));
    distribution.requested = exists_no_follow(prefix / (folder + "/REQUESTED"));
    read_direct_url(prefix / (folder + "/direct_url.json"), distribution);
    distributions.push_back(std::move(distribution));
  }
  std::sort(distributions.begin(), distributions.end(), [](const auto& a, const auto& b) {
    return std::tuple(to_lower(a.name), a.version, a.folder) < std::tuple(to_lower(b.name), b.version, b.folder);
  });
  return distributions;
}

std::vector<std::pair<std::string, std::string>> parse_record_table(std::string_view text) {
  std::vector<std::pair<std::string, std::string>> rows;
  std::vector<std::string> fields(1);
  bool quoted = false;
  const auto end_row = [&] {
    if (!fields[0].empty()) rows.emplace_back(fields[0], fields.size() > 1 ? fields[1] : "");
    fields.assign(1, "");
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      if (c != '"') fields.back() += c;
      else if (i + 1 < text.size() && text[i + 1] == '"') fields.back() += text[++i];
      else quoted = false;
    } else if (c == '"') {
      quoted = true;
    } else if (c == ',') {
      fields.emplace_back();
    } else if (c == '\n') {
      end_row();
    } else if (c != '\r') {
      fields.back() += c;
    }
  }
  end_row();
  return rows;
}

DistributionFiles distribution_files(const Prefix& prefix, const PipDistribution& distribution) {
  DistributionFiles result;
  const auto table = read_file_if_exists(prefix / (distribution.folder + "/RECORD"), table_limit);
  if (!table) {
    result.problem = "it has no `RECORD` of its files";
    return result;
  }
  const std::string site_packages = distribution.folder.substr(0, distribution.folder.rfind('/'));
  for (const auto& [path, digest] : parse_record_table(*table)) {
    const auto inside = inside_prefix(prefix, site_packages, path);
    if (!inside) {
      result.problem = "its `RECORD` lists `" + escape_control(path) + "`, which is not below the environment";
      continue;
    }
    if (exists_no_follow(prefix / *inside)) result.files.push_back({*inside, parse_table_digest(digest)});
    else result.missing.push_back(*inside);
  }
  std::sort(result.files.begin(), result.files.end(), [](const auto& a, const auto& b) { return a.path < b.path; });
  const auto same = [](const auto& a, const auto& b) { return a.path == b.path; };
  result.files.erase(std::unique(result.files.begin(), result.files.end(), same), result.files.end());
  return result;
}

void find_bundles(std::vector<PipDistribution>& distributions, const std::vector<PipDistribution>& known, const BundleStore& bundles) {
  for (PipDistribution& distribution : distributions)
    for (const PipDistribution& other : known)
      if (same_distribution(distribution, other) && !bundles.place(other.bundle).empty()) distribution.bundle = other.bundle;
}

void keep_bundles(const AppInputs& inputs, const Prefix& prefix, std::vector<PipDistribution>& distributions, BundleStore& bundles) {
  if (inputs.settings.keep_revisions == 0) return;
  for (PipDistribution& distribution : distributions) {
    if (!distribution.bundle.empty()) continue;
    std::string problem;
    try {
      const DistributionFiles files = distribution_files(prefix, distribution);
      problem = files.problem;
      if (problem.empty()) {
        std::vector<std::string> paths;
        for (const DistributionFile& file : files.files) paths.push_back(file.path);
        Bundle about;
        about.name = distribution.name;
        about.version = distribution.version;
        about.prefix = prefix.path();
        distribution.bundle = bundles.keep(about, paths, !inputs.settings.always_copy, inputs.stop);
        continue;
      }
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::interrupted) throw;
      problem = error.message() + (error.why().empty() ? "" : ": " + error.why());
    }
    inputs.reporter.on_warning("`" + distribution.name + " " + distribution.version +
                               "`, which pip installed, cannot be brought back by a rollback: " + problem);
  }
}

}  // namespace envtool::detail

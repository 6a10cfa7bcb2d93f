#include "index_cache.hpp"

#include <charconv>
#include <vector>

#include "envtool/base/text.hpp"
#include "envtool/records/package_record.hpp"
#include "json.hpp"

namespace envtool {
namespace {

// Lines of fields with tabs between them: JSON in one line has neither, nor have the names that CEP 26 allows.
// The last line has the digest of all lines before.
constexpr std::string_view header = "envtool channel index 1\n", end_mark = "end\t";

template <typename Number>
std::optional<Number> parse_number(std::string_view text) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// The fields of a line, one after the other; one that does not fit makes the line bad.
class Line {
 public:
  explicit Line(std::string_view line) : fields_(split(line, '\t')) {}
  std::string text() {
    if (next_ >= fields_.size()) return bad_ = true, std::string();
    return std::string(fields_[next_++]);
  }
  template <typename Number>
  void number(Number& out) {
    const auto value = parse_number<Number>(text());
    if (value) out = *value;
    else bad_ = true;
  }
  void digest(Sha256& out) {
    const auto value = Sha256::parse(text());
    if (value) out = *value;
    else bad_ = true;
  }
  /// A file name of the subdir, nothing else.
  std::string archive_name() {
    std::string name = text();
    if (!parse_archive_name(name)) bad_ = true;
    return name;
  }
  std::string json_object() {
    std::string value = text();
    if (!value.starts_with('{') || !value.ends_with('}')) bad_ = true;
    return value;
  }
  bool is_good() const { return !bad_ && next_ == fields_.size(); }

 private:
  std::vector<std::string_view> fields_;
  std::size_t next_ = 0;
  bool bad_ = false;
};

bool add_line(IndexCache& cache, std::string_view text) {
  Line line(text);
  const std::string kind = line.text();
  if (kind == "package") {
    IndexedPackage package;
    package.file_name = line.archive_name();
    line.number(package.stamp.size);
    line.number(package.stamp.modified);
    line.number(package.stamp.changed);
    line.number(package.stamp.inode);
    line.digest(package.sha256);
    line.number(package.indexed_timestamp);
    int revision = 0;
    line.number(revision);
    package.is_revision3 = revision == 3;
    package.record = line.json_object();
    package.details = line.json_object();
    package.run_exports = line.json_object();
    cache.packages.emplace(package.file_name, std::move(package));
  } else if (kind == "gone") {
    IndexCache::Gone gone;
    const std::string name = line.archive_name();
    line.digest(gone.sha256);
    line.number(gone.indexed_timestamp);
    cache.gone.emplace(name, gone);
  } else if (kind == "shard") {
    Sha256 shard;
    std::uint64_t since = 0;
    line.digest(shard);
    line.number(since);
    cache.unused_shards.emplace(shard, since);
  } else if (kind == "created") {
    line.digest(cache.shard_index.emplace());
    cache.shard_index_created = line.text();
  } else if (kind == "compressed") {
    const std::string name = line.text();
    IndexCache::Compressed compressed;
    line.digest(compressed.plain);
    line.digest(compressed.packed);
    cache.compressed.emplace(name, compressed);
  } else {
    return false;
  }
  return line.is_good();
}

}  // namespace

std::optional<IndexCache> parse_index_cache(std::string_view text) {
  if (!text.starts_with(header) || !text.ends_with('\n')) return std::nullopt;
  const std::size_t last_line = text.rfind('\n', text.size() - 2) + 1;
  const std::string_view end = text.substr(last_line, text.size() - last_line - 1);
  if (!end.starts_with(end_mark)) return std::nullopt;
  const auto digest = Sha256::parse(end.substr(end_mark.size()));
  if (!digest || sha256(text.substr(0, last_line)) != *digest) return std::nullopt;
  IndexCache cache;
  for (std::string_view rest = text.substr(header.size(), last_line - header.size()); !rest.empty();) {
    const std::size_t line_end = rest.find('\n');
    if (!add_line(cache, rest.substr(0, line_end))) return std::nullopt;
    rest.remove_prefix(line_end + 1);
  }
  return cache;
}

std::string to_text(const IndexCache& cache) {
  std::string text(header);
  const auto put = [&](std::initializer_list<std::string_view> fields) {
    for (const std::string_view field : fields) {
      text += field;
      text += '\t';
    }
    text.back() = '\n';
  };
  for (const auto& [name, package] : cache.packages)
    put({"package", name, std::to_string(package.stamp.size), std::to_string(package.stamp.modified),
         std::to_string(package.stamp.changed), std::to_string(package.stamp.inode), package.sha256.hex(),
         std::to_string(package.indexed_timestamp), package.is_revision3 ? "3" : "1", package.record, package.details,
         package.run_exports});
  for (const auto& [name, gone] : cache.gone) put({"gone", name, gone.sha256.hex(), std::to_string(gone.indexed_timestamp)});
  for (const auto& [shard, since] : cache.unused_shards) put({"shard", shard.hex(), std::to_string(since)});
  if (cache.shard_index) put({"created", cache.shard_index->hex(), cache.shard_index_created});
  for (const auto& [name, compressed] : cache.compressed) put({"compressed", name, compressed.plain.hex(), compressed.packed.hex()});
  return text + std::string(end_mark) + sha256(text).hex() + "\n";
}

std::map<std::string, IndexCache::Gone> read_published(std::string_view repodata, const std::string& origin) {
  std::map<std::string, IndexCache::Gone> result;
  const Json document = parse_json(repodata, origin);
  const auto add = [&](const std::string& file_name, const Json& record) {
    if (!record.is_object() || !parse_archive_name(file_name)) return;
    const auto digest = record.find("sha256");
    const auto time = record.find("indexed_timestamp");
    if (digest == record.end() || !digest->is_string()) return;
    const auto parsed = Sha256::parse(digest->get<std::string>());
    if (!parsed) return;
    const bool has_time = time != record.end() && time->is_number_unsigned();
    result[file_name] = {*parsed, has_time ? time->get<std::uint64_t>() : 0};
  };
  const auto add_all = [&](const Json& object, const char* key, const std::string& extension) {
    if (!object.is_object()) return;
    if (const auto section = object.find(key); section != object.end() && section->is_object())
      for (const auto& [name, record] : section->items()) add(name + extension, record);
  };
  add_all(document, "packages", "");
  add_all(document, "packages.conda", "");
  if (document.is_object() && document.contains("v3")) {
    add_all(document["v3"], "tar.bz2", ".tar.bz2");
    add_all(document["v3"], "conda", ".conda");
  }
  return result;
}

}  // namespace envtool

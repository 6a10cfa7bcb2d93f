#include "repodata_reader.hpp"

#include <set>

#include "envtool/base/text.hpp"
#include "json_scanner.hpp"
#include "record_parser.hpp"

namespace envtool {

namespace {

constexpr std::int64_t newest_version = 3;

class Reader {
 public:
  Reader(ByteSource& source, IndexBuilder& builder, std::stop_token stop)
      : origin_(source.origin()), scanner_(source), builder_(builder), stop_(std::move(stop)) {}

  ReadSummary read() {
    if (scanner_.peek() == '\0') {
      scanner_.expect_end();  // an empty file is an empty index (CEP 36)
      return summary_;
    }
    scanner_.enter('{');
    std::string_view literal;
    while (scanner_.next_key(literal)) {
      const std::string key = unquote(literal);
      if (key == "packages") read_section(key, Section::packages);
      else if (key == "packages.conda") read_section(key, Section::packages_conda);
      else if (key == "v3") read_revision();
      else if (key == "removed") read_removed();
      else if (key == "info") read_info();
      else if (key == "repodata_version") check_version(number());
      else scanner_.skip_value();
    }
    scanner_.expect_end();
    return summary_;
  }

 private:
  std::string unquote(std::string_view literal) {
    const std::uint64_t place = scanner_.piece_offset();
    try {
      return unquote_json(literal);
    } catch (const Error&) {
      throw scanner_.error_at(place, "a malformed string");
    }
  }

  bool is_null() {
    if (scanner_.peek() != 'n') return false;
    if (scanner_.take_value() != "null") throw scanner_.error_at(scanner_.piece_offset(), "expected a value");
    return true;
  }

  // `packages` and its like. A key that comes twice counts the last time, as for every JSON reader.
  void read_section(const std::string& key, Section section) {
    if (!seen_.insert(key).second) builder_.forget(section);
    read_records(section, {});
  }

  // File names (with or without extension) to records.
  void read_records(Section section, const std::string& extension) {
    if (is_null()) return;
    scanner_.enter('{');
    std::string_view literal;
    while (scanner_.next_key(literal)) {
      if ((++summary_.records & 0xfff) == 0 && stop_.stop_requested()) throw Error("interrupted", ErrorKind::interrupted);
      file_name_ = unquote(literal) + extension;
      read_record(section);
    }
  }

  void read_record(Section section) {
    const std::string_view json = scanner_.take_value();
    std::string problem;
    try {
      problem = parser_.parse(json, record_);
    } catch (const MalformedJson& malformed) {
      throw scanner_.error_at(scanner_.piece_offset(), "the record of `" + escape_control(file_name_) + "`: " + malformed.why);
    }
    if (problem.empty()) problem = builder_.add(section, file_name_, record_);
    if (problem.empty()) return;
    if (summary_.skipped++ == 0) summary_.first_problem = "`" + escape_control(file_name_) + "`: " + problem;
  }

  // CEP 48: records by archive format, file names without extension. Unknown formats are of no use.
  void read_revision() {
    if (!seen_.insert("v3").second) builder_.forget(Section::revision3);
    if (is_null()) return;
    scanner_.enter('{');
    std::string_view literal;
    while (scanner_.next_key(literal)) {
      const std::string format = unquote(literal);
      if (format == "conda" || format == "tar.bz2") read_records(Section::revision3, "." + format);
      else scanner_.skip_value();
    }
  }

  void read_removed() {
    if (is_null()) return;
    scanner_.enter('[');
    while (scanner_.next_element()) {
      const std::string_view literal = scanner_.take_value();
      if (literal.front() == '"') builder_.remove(unquote(literal));
    }
  }

  void read_info() {
    try {
      RepoDataInfo info = parser_.parse_info(scanner_.take_value());
      if (info.repodata_version) check_version(*info.repodata_version);
      builder_.set_info(std::move(info));
    } catch (const MalformedJson& malformed) {
      throw scanner_.error_at(scanner_.piece_offset(), malformed.why);
    }
  }

  std::int64_t number() {
    try {
      return parser_.parse_version(scanner_.take_value());
    } catch (const MalformedJson& malformed) {
      throw scanner_.error_at(scanner_.piece_offset(), malformed.why);
    }
  }

  void check_version(std::int64_t version) const {
    if (version <= newest_version) return;
    throw Error("channel index has an unknown format", ErrorKind::invalid_input)
        .at(origin_)
        .because("its `repodata_version` is " + std::to_string(version) + ", known are up to " + std::to_string(newest_version))
        .hint("a newer envtool may know it");
  }

  std::string origin_;
  JsonScanner scanner_;
  IndexBuilder& builder_;
  std::stop_token stop_;
  RecordParser parser_;
  RawRecord record_;
  std::string file_name_;
  std::set<std::string> seen_;
  ReadSummary summary_;
};

}  // namespace

ReadSummary read_repodata(ByteSource& source, IndexBuilder& builder, std::stop_token stop) {
  return Reader(source, builder, std::move(stop)).read();
}

}  // namespace envtool

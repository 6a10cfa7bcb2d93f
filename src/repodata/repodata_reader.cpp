#include "repodata_reader.hpp"

#include <set>

#include "envtool/base/text.hpp"
#include "envtool/os/memory.hpp"
#include "json_scanner.hpp"
#include "record_parser.hpp"
#include "record_workers.hpp"

namespace envtool {

namespace {

constexpr std::int64_t newest_version = 3;

// More do not help: one thread decompresses and splits the document for them.
constexpr unsigned most_workers = 4;

class Reader {
 public:
  Reader(ByteSource& source, IndexBuilder& builder, std::stop_token stop)
      : origin_(source.origin()), scanner_(source), builder_(builder), workers_(builder.subdir(), worthwhile_threads(most_workers)),
        stop_(std::move(stop)) {}

  ReadSummary read() {
    std::exception_ptr later;
    try {
      read_document();
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::interrupted) throw;
      later = std::current_exception();
    } catch (const EnoughRead&) {
    }
    // What is wrong first in the document is what is told, whoever came upon it first.
    if (const auto malformed = workers_.finish(builder_, summary_)) {
      throw scanner_.error_at(malformed->offset, "the record of `" + escape_control(malformed->file_name) + "`: " + malformed->why);
    }
    if (later) std::rethrow_exception(later);
    return summary_;
  }

 private:
  // A worker has come upon an error: the rest of the document is of no interest.
  struct EnoughRead {};

  void read_document() {
    if (scanner_.peek() == '\0') {
      return scanner_.expect_end();  // an empty file is an empty index (CEP 36)
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
  }

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
    if (!seen_.insert(key).second) workers_.forget(section);
    read_records(section, {});
  }

  // File names (with or without extension) to records.
  void read_records(Section section, const std::string& extension) {
    if (is_null()) return;
    scanner_.enter('{');
    std::string_view literal;
    while (scanner_.next_key(literal)) {
      if ((++summary_.records & 0xfff) == 0) {
        if (stop_.stop_requested()) throw Error("interrupted", ErrorKind::interrupted);
        if (workers_.failed()) throw EnoughRead{};
      }
      const std::string file_name = unquote(literal) + extension;
      const std::string_view json = scanner_.take_value();
      workers_.add(section, file_name, json, scanner_.piece_offset());
    }
  }

  // CEP 48: records by archive format, file names without extension. Unknown formats are of no use.
  void read_revision() {
    if (!seen_.insert("v3").second) workers_.forget(Section::revision3);
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
  RecordWorkers workers_;
  std::stop_token stop_;
  RecordParser parser_;
  std::set<std::string> seen_;
  ReadSummary summary_;
};

}  // namespace

ReadSummary read_repodata(ByteSource& source, IndexBuilder& builder, std::stop_token stop) {
  return Reader(source, builder, std::move(stop)).read();
}

}  // namespace envtool

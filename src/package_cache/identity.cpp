#include "identity.hpp"

#include <algorithm>

#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"
#include "envtool/base/url.hpp"

namespace envtool {
namespace {

bool is_plain_name(std::string_view text) {
  if (text.empty() || text.front() == '.' || text.front() == '-' || text.size() > 230) return false;
  return std::none_of(text.begin(), text.end(), [](char c) {
    return c == '/' || c == '\\' || static_cast<unsigned char>(c) <= ' ' || c == '~' || c == 0x7f;
  });
}

/// Without credentials and token, which other tools may have stored or not.
std::string bare_url(const std::string& url) {
  try {
    return Url::parse(url).str();
  } catch (const Error&) {
    return url;
  }
}

}  // namespace

void check_record_names(const RepoDataRecord& record) {
  const auto check = [&](const char* what, const std::string& text) {
    if (is_plain_name(text)) return;
    throw Error(std::string("a package record has an unusable ") + what, ErrorKind::unsafe)
        .at(redact(record.url))
        .because("`" + escape_control(text.substr(0, 300)) + "` cannot be part of a file name");
  };
  check("name", record.name);
  check("version", record.version);
  check("build", record.build);
  check("name, version and build", record.dist());
  check("file name", record.fn);
  if (archive_extension(record.fn).empty())
    throw Error("a package has an unknown format", ErrorKind::invalid_input)
        .at(redact(record.url))
        .because("`" + escape_control(record.fn) + "` ends with neither `.conda` nor `.tar.bz2`");
}

bool same_content(const RepoDataRecord& wanted, const RepoDataRecord& there) {
  if (wanted.name != there.name || wanted.version != there.version || wanted.build != there.build) return false;
  if (wanted.sha256 && there.sha256) return *wanted.sha256 == *there.sha256;
  if (bare_url(wanted.url) != bare_url(there.url)) return false;
  if (wanted.size != 0 && there.size != 0 && wanted.size != there.size) return false;
  if (wanted.md5 && there.md5) return *wanted.md5 == *there.md5;
  // A digest that nothing can be compared with is no agreement.
  return !wanted.sha256 && !wanted.md5;
}

std::string distinction(const RepoDataRecord& record) {
  std::string digest = record.sha256 ? record.sha256->hex() : record.md5 ? record.md5->hex() : sha256(bare_url(record.url)).hex();
  return "~" + digest.substr(0, 12);
}

std::string distinct_file_name(const RepoDataRecord& record) {
  const std::size_t stem = record.fn.size() - archive_extension(record.fn).size();
  return record.fn.substr(0, stem) + distinction(record) + record.fn.substr(stem);
}

RepoDataRecord completed(const RepoDataRecord& wanted, const RepoDataRecord& there) {
  RepoDataRecord record = wanted;
  complete_from_index(record, there);
  if (wanted.subdir.empty()) {
    record = there;
    record.fn = wanted.fn;
    record.url = wanted.url;
    if (!wanted.channel.empty()) record.channel = wanted.channel;
  }
  record.sha256 = wanted.sha256 ? wanted.sha256 : there.sha256;
  record.md5 = wanted.md5 ? wanted.md5 : there.md5;
  record.size = wanted.size != 0 ? wanted.size : there.size;
  return record;
}

}  // namespace envtool

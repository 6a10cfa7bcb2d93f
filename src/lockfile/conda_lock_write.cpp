#include <algorithm>
#include <set>

#include "envtool/base/text.hpp"
#include "envtool/lockfile/conda_lock.hpp"
#include "ordering.hpp"
#include "envtool/yaml/yaml_document.hpp"

namespace envtool {
namespace {

// Lines of a document with their indentation; keys and values become scalars here and nowhere else.
class Writer {
 public:
  void line(std::size_t indent, std::string_view text) {
    out_.append(indent, ' ').append(text).append("\n");
  }
  void pair(std::size_t indent, std::string_view key, std::string_view value) {
    out_.append(indent, ' ').append(yaml_scalar(key)).append(": ").append(yaml_scalar(value)).append("\n");
  }
  void item(std::size_t indent, std::string_view value) {
    out_.append(indent, ' ').append("- ").append(yaml_scalar(value)).append("\n");
  }
  void list(std::size_t indent, const std::string& key, const std::vector<std::string>& values) {
    line(indent, key + (values.empty() ? ": []" : ":"));
    for (const std::string& value : values) item(indent, value);
  }
  void map(std::size_t indent, const std::string& key, const std::map<std::string, std::string>& values) {
    line(indent, key + (values.empty() ? ": {}" : ":"));
    for (const auto& [name, value] : values) pair(indent + 2, name, value);
  }
  std::string finish() { return std::move(out_); }

 private:
  std::string out_;
};

std::string channel_text(const std::string& channel) {
  return Url::looks_like_url(channel) ? Url::parse(channel).str() : redact(channel);
}

void write_metadata(Writer& writer, const Lockfile& lock) {
  writer.line(0, "metadata:");
  writer.map(2, "content_hash", content_hashes(lock));
  writer.line(2, lock.channels.empty() ? "channels: []" : "channels:");
  for (const LockedChannel& channel : lock.channels) {
    writer.line(2, "- url: " + yaml_scalar(channel_text(channel.url)));
    writer.list(4, "used_env_vars", channel.used_env_vars);
  }
  std::set<std::string> platforms;
  for (const Platform& platform : lock.platforms) platforms.insert(platform.str());
  writer.list(2, "platforms", {platforms.begin(), platforms.end()});
  writer.list(2, "sources", lock.sources);
  if (!lock.created_at.empty()) {
    writer.line(2, "time_metadata:");
    writer.pair(4, "created_at", lock.created_at);
  }
  if (!lock.git_user_name.empty() || !lock.git_user_email.empty() || !lock.git_sha.empty()) {
    writer.line(2, "git_metadata:");
    if (!lock.git_user_name.empty()) writer.pair(4, "git_user_name", lock.git_user_name);
    if (!lock.git_user_email.empty()) writer.pair(4, "git_user_email", lock.git_user_email);
    if (!lock.git_sha.empty()) writer.pair(4, "git_sha", lock.git_sha);
  }
  if (!lock.inputs.empty()) {
    writer.line(2, "inputs_metadata:");
    for (const auto& [source, digests] : lock.inputs) {
      writer.line(4, yaml_scalar(source) + ":");
      // conda-lock wants both keys to be there
      writer.line(6, digests.md5 ? "md5: " + yaml_scalar(digests.md5->hex()) : "md5: null");
      writer.line(6, digests.sha256 ? "sha256: " + yaml_scalar(digests.sha256->hex()) : "sha256: null");
    }
  }
  if (!lock.custom_metadata.empty()) writer.map(2, "custom_metadata", lock.custom_metadata);
}

void write_package(Writer& writer, const LockedPackage& package) {
  const bool is_conda = package.manager == PackageManager::conda;
  writer.line(0, "- name: " + yaml_scalar(package.name));
  writer.pair(2, "version", package.version);
  writer.line(2, is_conda ? "manager: conda" : "manager: pip");
  writer.pair(2, "platform", package.platform.str());
  writer.map(2, "dependencies", package.dependencies);
  writer.pair(2, "url", package.url.str());
  writer.line(2, package.md5 || package.sha256 ? "hash:" : "hash: {}");
  if (package.md5) writer.pair(4, "md5", package.md5->hex());
  if (package.sha256) writer.pair(4, "sha256", package.sha256->hex());
  if (!package.source_url.empty()) {
    writer.line(2, "source:");
    writer.pair(4, "type", "url");
    writer.pair(4, "url", channel_text(package.source_url));
  }
  if (is_conda && !package.build.empty()) writer.pair(2, "build", package.build);
  writer.pair(2, "category", package.category);
  writer.line(2, package.optional ? "optional: true" : "optional: false");
}

}  // namespace

std::string to_conda_lock(const Lockfile& lock) {
  Writer writer;
  writer.line(0, "# Written by `envtool lock` in the conda-lock.yml format, version 1 (CEP 37). Do not edit: lock again.");
  writer.line(0, "# Install it with `envtool create --name <env> --file <this file>`.");
  writer.line(0, "version: 1");
  write_metadata(writer, lock);
  writer.line(0, lock.packages.empty() ? "package: []" : "package:");
  for (const LockedPackage* package : in_canonical_order(lock)) write_package(writer, *package);
  return writer.finish();
}

}  // namespace envtool

#include <algorithm>
#include <set>
#include <tuple>

#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"
#include "envtool/lockfile/conda_lock.hpp"
#include "envtool/specs/package_name.hpp"
#include "envtool/yaml/yaml_document.hpp"

namespace envtool {
namespace {

constexpr YamlLimits limits{128u << 20, 20, 20'000'000};

bool has_control_character(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte == 0x7f;
  });
}

// PEP 508 names; pip compares them without regard to case and separators, the file keeps its own.
bool is_pip_name(std::string_view name) {
  const auto is_alphanumeric = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  };
  return !name.empty() && name.size() <= 200 && is_alphanumeric(name.front()) && is_alphanumeric(name.back()) &&
         std::all_of(name.begin(), name.end(),
                     [&](char c) { return is_alphanumeric(c) || c == '.' || c == '_' || c == '-'; });
}

bool is_pip_version(std::string_view version) {
  return !version.empty() && version.size() <= 200 &&
         std::all_of(version.begin(), version.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
                  c == '!' || c == '+' || c == '-' || c == '_';
         });
}

class Reader {
 public:
  Reader(const std::string& origin, LockDigests digests) : origin_(origin), digests_(digests) {}

  Lockfile read(std::string_view text) {
    const YamlNode::Pointer root = parse_yaml(text, origin_, limits);
    if (!root->is_map()) throw wrong(*root, "this is not a conda-lock.yml");
    check_version(*root);
    warn_of_unknown_keys(*root, {"version", "metadata", "package"}, "");
    read_metadata(required(*root, "metadata", *root));
    const YamlNode& packages = required(*root, "package", *root);
    if (!packages.is_sequence()) throw wrong(packages, "`package` has to be a list");
    lock_.packages.reserve(packages.items.size());
    for (const YamlNode::Pointer& item : packages.items) read_package(*item);
    return std::move(lock_);
  }

 private:
  Error wrong(const YamlNode& node, const std::string& what) const { return yaml_error(what, origin_, node); }
  std::string place(const YamlNode& node) const {
    return origin_ + ":" + std::to_string(node.line) + ":" + std::to_string(node.column);
  }

  void warn_of_unknown_keys(const YamlNode& map, const std::vector<std::string>& known, const std::string& in) {
    for (const YamlNode::Entry& entry : map.entries) {
      if (std::find(known.begin(), known.end(), entry.key) != known.end()) continue;
      // Once for a key: a newer writer puts it into every package.
      if (!warned_.insert(in + entry.key).second) continue;
      lock_.warnings.push_back(origin_ + ":" + std::to_string(entry.line) + ":" + std::to_string(entry.column) +
                               ": the key `" + escape_control(in + entry.key) + "` is not known and is ignored");
    }
  }

  static const YamlNode* value(const YamlNode& map, std::string_view key) {
    const YamlNode* node = map.find(key);
    return node == nullptr || node->is_null() ? nullptr : node;
  }

  const YamlNode& required(const YamlNode& map, const std::string& key, const YamlNode& where) const {
    const YamlNode* node = value(map, key);
    if (node == nullptr) throw wrong(where, "`" + key + "` is missing");
    return *node;
  }

  std::string text_of(const YamlNode& node, const std::string& what) const {
    if (!node.is_scalar()) throw wrong(node, what + " has to be a text");
    if (has_control_character(node.text)) throw wrong(node, what + " contains a control character");
    return node.text;
  }

  std::string optional_text(const YamlNode& map, const std::string& key) const {
    const YamlNode* node = value(map, key);
    return node == nullptr ? std::string() : text_of(*node, "`" + key + "`");
  }

  void check_version(const YamlNode& root) {
    const YamlNode* node = value(root, "version");
    if (node == nullptr) return;
    if (text_of(*node, "`version`") != "1") {
      throw wrong(*node, "version `" + escape_control(node->text) + "` of conda-lock.yml is not known")
          .hint("envtool reads version 1 (CEP 37)");
    }
  }

  // A list of texts; an absent one is empty.
  std::vector<std::string> text_list(const YamlNode& map, const std::string& key) const {
    std::vector<std::string> result;
    const YamlNode* node = value(map, key);
    if (node == nullptr) return result;
    if (!node->is_sequence()) throw wrong(*node, "`" + key + "` has to be a list");
    for (const YamlNode::Pointer& item : node->items) result.push_back(text_of(*item, "an entry of `" + key + "`"));
    return result;
  }

  std::map<std::string, std::string> text_map(const YamlNode& map, const std::string& key) const {
    std::map<std::string, std::string> result;
    const YamlNode* node = value(map, key);
    if (node == nullptr) return result;
    if (!node->is_map()) throw wrong(*node, "`" + key + "` has to be a map");
    for (const YamlNode::Entry& entry : node->entries) {
      if (has_control_character(entry.key)) throw wrong(*node, "a key of `" + key + "` contains a control character");
      if (!entry.value->is_null()) result[entry.key] = text_of(*entry.value, "`" + escape_control(entry.key) + "`");
    }
    return result;
  }

  void read_metadata(const YamlNode& node) {
    if (!node.is_map()) throw wrong(node, "`metadata` has to be a map");
    warn_of_unknown_keys(node,
                         {"content_hash", "channels", "platforms", "sources", "time_metadata", "git_metadata",
                          "inputs_metadata", "custom_metadata"},
                         "metadata.");
    read_platforms(required(node, "platforms", node));
    read_channels(node);
    lock_.sources = text_list(node, "sources");
    lock_.content_hash = text_map(node, "content_hash");
    lock_.custom_metadata = text_map(node, "custom_metadata");
    if (const YamlNode* time = value(node, "time_metadata")) {
      if (!time->is_map()) throw wrong(*time, "`time_metadata` has to be a map");
      lock_.created_at = optional_text(*time, "created_at");
    }
    if (const YamlNode* git = value(node, "git_metadata")) {
      if (!git->is_map()) throw wrong(*git, "`git_metadata` has to be a map");
      lock_.git_user_name = optional_text(*git, "git_user_name");
      lock_.git_user_email = optional_text(*git, "git_user_email");
      lock_.git_sha = optional_text(*git, "git_sha");
    }
    if (const YamlNode* inputs = value(node, "inputs_metadata")) {
      if (!inputs->is_map()) throw wrong(*inputs, "`inputs_metadata` has to be a map");
      for (const YamlNode::Entry& entry : inputs->entries) {
        LockInput& input = lock_.inputs[entry.key];
        std::tie(input.md5, input.sha256) = read_digests(*entry.value);
      }
    }
  }

  void read_platforms(const YamlNode& node) {
    if (!node.is_sequence()) throw wrong(node, "`platforms` has to be a list");
    for (const YamlNode::Pointer& item : node.items) lock_.platforms.push_back(parse_platform(*item));
  }

  Platform parse_platform(const YamlNode& node) const {
    const std::string text = text_of(node, "a platform");
    try {
      return Platform::parse(text);
    } catch (Error& error) {
      throw error.at(origin_, node.line, node.column);
    }
  }

  void read_channels(const YamlNode& metadata) {
    const YamlNode* node = value(metadata, "channels");
    if (node == nullptr) return;
    if (!node->is_sequence()) throw wrong(*node, "`channels` has to be a list");
    for (const YamlNode::Pointer& item : node->items) {
      LockedChannel channel;
      if (item->is_scalar()) {  // conda-lock accepts the bare name, too
        channel.url = text_of(*item, "a channel");
      } else if (item->is_map()) {
        channel.url = text_of(required(*item, "url", *item), "a channel");
        channel.used_env_vars = text_list(*item, "used_env_vars");
      } else {
        throw wrong(*item, "a channel has to be a map with `url`");
      }
      if (channel.url.empty()) throw wrong(*item, "the URL of a channel is empty");
      check_url(channel.url, *item, "a channel");
      lock_.channels.push_back(std::move(channel));
    }
  }

  // Text that is meant as a URL has to be one, since it is written only without its credentials.
  void check_url(const std::string& text, const YamlNode& node, const std::string& what) const {
    if (!Url::looks_like_url(text)) return;
    try {
      Url::parse(text);
    } catch (const Error& cause) {
      throw wrong(node, "the URL of " + what + " cannot be understood").caused_by(cause);
    }
  }

  std::pair<std::optional<Md5>, std::optional<Sha256>> read_digests(const YamlNode& node) const {
    if (!node.is_map()) throw wrong(node, "digests have to be a map of `md5` and `sha256`");
    std::optional<Md5> md5;
    std::optional<Sha256> sha256;
    for (const YamlNode::Entry& entry : node.entries) {
      if (entry.key != "md5" && entry.key != "sha256") {
        throw wrong(*entry.value, "the digest `" + escape_control(entry.key) + "` is not known");
      }
      if (entry.value->is_null()) continue;
      const std::string text = text_of(*entry.value, "a digest");
      if (entry.key == "md5") md5 = Md5::parse(text);
      if (entry.key == "sha256") sha256 = Sha256::parse(text);
      if (!(entry.key == "md5" ? md5.has_value() : sha256.has_value())) {
        throw wrong(*entry.value, "the `" + entry.key + "` digest cannot be read")
            .because(entry.key == "md5" ? "expected 32 hexadecimal digits" : "expected 64 hexadecimal digits");
      }
    }
    return {md5, sha256};
  }

  void read_package(const YamlNode& node) {
    if (!node.is_map()) throw wrong(node, "a package has to be a map");
    warn_of_unknown_keys(node,
                         {"name", "version", "manager", "platform", "dependencies", "url", "hash", "source", "build",
                          "category", "optional"},
                         "package.");
    LockedPackage package;
    package.where = place(node);
    read_identity(node, package);
    read_url(node, package);
    if (package.manager == PackageManager::conda) check_archive(node, package);
    read_package_digests(node, package);
    read_dependencies(node, package);
    if (const YamlNode* category = value(node, "category")) package.category = text_of(*category, "`category`");
    if (package.category.empty()) throw wrong(node, "`category` is empty");
    if (const YamlNode* optional = value(node, "optional")) {
      const std::string text = to_lower(text_of(*optional, "`optional`"));
      if (text != "true" && text != "false") throw wrong(*optional, "`optional` has to be `true` or `false`");
      package.optional = text == "true";
    }
    if (const YamlNode* source = value(node, "source")) {
      if (!source->is_map()) throw wrong(*source, "`source` has to be a map");
      package.source_url = optional_text(*source, "url");
      check_url(package.source_url, *source, "the source of `" + package.name + "`");
    }
    const auto [earlier, is_new] = seen_.try_emplace(
        std::tuple(package.manager, package.name, package.platform.str(), package.category), node.line);
    if (!is_new) {
      throw wrong(node, "`" + package.name + "` is there twice for `" + package.platform.str() + "`")
          .because("the first is in line " + std::to_string(earlier->second));
    }
    lock_.packages.push_back(std::move(package));
  }

  void read_identity(const YamlNode& node, LockedPackage& package) const {
    const YamlNode& manager = required(node, "manager", node);
    const std::string text = text_of(manager, "`manager`");
    if (text != "conda" && text != "pip") {
      throw wrong(manager, "the manager `" + escape_control(text) + "` is not known")
          .because("only `conda` and `pip` are");
    }
    package.manager = text == "conda" ? PackageManager::conda : PackageManager::pip;
    const bool is_conda = package.manager == PackageManager::conda;

    const YamlNode& name = required(node, "name", node);
    package.name = text_of(name, "`name`");
    if (!(is_conda ? is_valid_package_name(package.name) : is_pip_name(package.name))) {
      throw wrong(name, "`" + escape_control(package.name) + "` cannot be the name of a package");
    }
    const YamlNode& version = required(node, "version", node);
    package.version = text_of(version, "`version`");
    if (!(is_conda ? is_valid_version_string(package.version) : is_pip_version(package.version))) {
      throw wrong(version, "`" + escape_control(package.version) + "` cannot be a version");
    }
    const YamlNode& platform = required(node, "platform", node);
    package.platform = parse_platform(platform);
    if (std::find(lock_.platforms.begin(), lock_.platforms.end(), package.platform) == lock_.platforms.end()) {
      throw wrong(platform, "the platform `" + package.platform.str() + "` is not among those of the metadata");
    }
    if (const YamlNode* build = value(node, "build"); build != nullptr && is_conda) {
      package.build = text_of(*build, "`build`");
      if (!is_valid_build_string(package.build)) {
        throw wrong(*build, "`" + escape_control(package.build) + "` cannot be a build string");
      }
    }
  }

  void read_url(const YamlNode& node, LockedPackage& package) const {
    const YamlNode& url = required(node, "url", node);
    const std::string text = text_of(url, "`url`");
    try {
      package.url = Url::parse(text).without_fragment();
    } catch (const Error& cause) {
      throw wrong(url, "the URL of `" + package.name + "` cannot be understood").caused_by(cause);
    }
    const std::string& scheme = package.url.scheme();
    if (scheme != "https" && scheme != "http" && scheme != "file") {
      throw wrong(url, "packages cannot be fetched from `" + escape_control(scheme) + "` URLs");
    }
  }

  // The archive's own name is what is installed: it has to be the one that the entry promises.
  void check_archive(const YamlNode& node, LockedPackage& package) const {
    const YamlNode& url = required(node, "url", node);
    const auto refuse = [&](std::string why) {
      throw wrong(url, "the URL of `" + package.name + "` does not fit the entry").because(std::move(why));
    };
    const std::string file_name = package.url.file_name();
    const auto archive = parse_archive_name(file_name);
    if (!archive) refuse("`" + escape_control(file_name) + "` is not the file name of a conda package");
    if (archive->name != package.name || archive->version != package.version) {
      refuse("`" + file_name + "` is another package than " + package.name + " " + package.version);
    }
    if (!package.build.empty() && package.build != archive->build) {
      refuse("`" + file_name + "` has another build than `" + package.build + "`");
    }
    package.build = archive->build;
    const std::string subdir = package.url.parent().file_name();
    if (subdir != "noarch" && subdir != package.platform.str()) {
      refuse("the archive lies in `" + escape_control(subdir) + "`, not in `" + package.platform.str() +
             "` or `noarch`");
    }
  }

  void read_package_digests(const YamlNode& node, LockedPackage& package) const {
    const YamlNode& hash = required(node, "hash", node);
    std::tie(package.md5, package.sha256) = read_digests(hash);
    if (package.sha256 || (digests_ == LockDigests::allow_md5 && package.md5)) return;
    Error error("`" + package.name + "` has no SHA-256 digest in the lock", ErrorKind::checksum);
    error.at(origin_, hash.line, hash.column);
    if (package.md5) {
      error.because("MD5 alone does not protect against a forged archive")
          .hint("lock the environment again, or allow MD5 if you trust the file and the channel");
    }
    throw error;
  }

  void read_dependencies(const YamlNode& node, LockedPackage& package) const {
    const YamlNode* dependencies = value(node, "dependencies");
    if (dependencies == nullptr) return;
    package.dependencies = text_map(node, "dependencies");
    if (package.manager == PackageManager::pip) return;
    for (const YamlNode::Entry& entry : dependencies->entries) {
      if (!is_valid_package_name(entry.key)) {
        throw wrong(*entry.value, "`" + escape_control(entry.key) + "` cannot be the name of a package");
      }
      // A name alone may stand there with no constraint at all.
      if (entry.value->is_null()) package.dependencies[entry.key];
    }
  }

  const std::string& origin_;
  LockDigests digests_;
  Lockfile lock_;
  std::set<std::string> warned_;
  std::map<std::tuple<PackageManager, std::string, std::string, std::string>, std::size_t> seen_;
};

}  // namespace

Lockfile parse_conda_lock(std::string_view text, const std::string& origin, LockDigests digests) {
  return Reader(origin, digests).read(text);
}

}  // namespace envtool

#include "envtool/package_cache/bundle.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <charconv>

#include "archives.hpp"
#include "content.hpp"
#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"
#include "envtool/package_cache/package_cache.hpp"
#include "envtool/records/paths_json.hpp"
#include "folder.hpp"

namespace envtool {
namespace {

constexpr std::string_view first_line = "envtool bundle 1";
constexpr std::string_view manifest_name = "/manifest";
constexpr std::uint64_t most_manifest_bytes = std::uint64_t{256} << 20;
/// From here on a copy costs more than the care that a link needs.
constexpr std::uint64_t large = std::uint64_t{1} << 20;

bool is_one_line(std::string_view text) { return text.find_first_of(std::string_view("\n\r\0", 3)) == std::string_view::npos; }

bool is_identifier(std::string_view text) { return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos; }

std::int64_t modification_time(const struct stat& status) {
  return std::int64_t{status.st_mtim.tv_sec} * 1'000'000'000 + status.st_mtim.tv_nsec;
}

template <typename Number>
Number number(std::string_view text, int base, const Error& damaged) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc() || end != text.data() + text.size()) throw damaged;
  return value;
}

}  // namespace

std::string render_bundle(const Bundle& bundle) {
  std::string text = std::string(first_line) + "\nname " + bundle.name + "\nversion " + bundle.version + "\nprefix " + bundle.prefix + "\n";
  for (const BundleFile& file : bundle.files) {
    char mode[16] = {};
    *std::to_chars(mode, mode + sizeof mode - 1, file.mode, 8).ptr = '\0';
    text += "file " + file.sha256.hex() + " " + std::to_string(file.size) + " " + mode + " " + std::to_string(file.mtime_ns) + " " + file.path + "\n";
  }
  return text;
}

Bundle parse_bundle(std::string_view text, const std::string& origin) {
  const Error damaged = Error("the description of kept files is damaged", ErrorKind::corrupt).at(origin);
  const std::vector<std::string_view> lines = split(text, '\n');
  if (lines.size() < 5 || lines[0] != first_line || !lines.back().empty()) throw damaged;
  const auto value = [&](std::size_t line, std::string_view key) {
    if (!lines[line].starts_with(key)) throw damaged;
    return std::string(lines[line].substr(key.size()));
  };
  Bundle bundle;
  bundle.name = value(1, "name ");
  bundle.version = value(2, "version ");
  bundle.prefix = value(3, "prefix ");
  for (std::size_t i = 4; i + 1 < lines.size(); ++i) {
    std::string_view rest = lines[i];
    const auto word = [&] {
      const std::size_t blank = rest.find(' ');
      if (blank == std::string_view::npos) throw damaged;
      const std::string_view part = rest.substr(0, blank);
      rest.remove_prefix(blank + 1);
      return part;
    };
    if (word() != "file") throw damaged;
    BundleFile file;
    const auto digest = Sha256::parse(word());
    if (!digest) throw damaged;
    file.sha256 = *digest;
    file.size = number<std::uint64_t>(word(), 10, damaged);
    file.mode = number<unsigned>(word(), 8, damaged);
    file.mtime_ns = number<std::int64_t>(word(), 10, damaged);
    file.path = std::string(rest);
    if ((file.mode & ~0777U) != 0) throw damaged;
    if (!is_safe_relative_path(file.path) || file.path == "conda-meta" || file.path.starts_with("conda-meta/"))
      throw Error("the description of kept files names a path that is not theirs", ErrorKind::unsafe)
          .at(origin)
          .because("`" + escape_control(file.path) + "`");
    bundle.files.push_back(std::move(file));
  }
  return bundle;
}

BundleStore::BundleStore(std::vector<std::string> directories) : directories_(std::move(directories)) {
  for (const std::string& directory : directories_)
    if (auto lease = take_lease(CacheFolder{directory}, {})) leases_.push_back(std::move(lease));
}

std::string BundleStore::keep(const Bundle& about, std::span<const std::string> paths, bool hardlink, const std::stop_token& stop) {
  const std::string cache = PackageCache(directories_).writable_directory();
  const FileDescriptor prefix(::open(about.prefix.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!prefix) throw system_error("cannot open an environment", errno).at(about.prefix);
  // The outer folder is private; the inner one gets the usual mode.
  const TemporaryDirectory outer(CacheFolder{cache}.temporary(), "kept-");
  const std::string made = outer.path() + "/bundle";
  make_directories(made);
  Bundle bundle = about;
  bundle.files.clear();
  if (!is_one_line(about.name) || !is_one_line(about.version)) throw Error("a name with a line break", ErrorKind::invalid_input);
  std::vector<std::string> sorted(paths.begin(), paths.end());
  std::sort(sorted.begin(), sorted.end());
  for (const std::string& path : sorted) {
    if (stop.stop_requested()) throw Error("keeping files was interrupted", ErrorKind::interrupted);
    if (!is_safe_relative_path(path) || !is_one_line(path) || path.starts_with("conda-meta/"))
      throw Error("a file cannot be kept", ErrorKind::unsafe).at(escape_control(path)).because("its path is not one of a package");
    const FileDescriptor source = open_beneath(prefix, path);
    struct stat status{};
    if (!source || ::fstat(source.get(), &status) != 0 || !S_ISREG(status.st_mode))
      throw Error("a file cannot be kept", ErrorKind::corrupt)
          .at(about.prefix + "/" + path)
          .because("it is missing, is no plain file, or lies behind a symlink");
    const std::string target = made + "/files/" + path;
    make_directories(target.substr(0, target.rfind('/')));
    const bool link = hardlink && static_cast<std::uint64_t>(status.st_size) >= large;
    link_or_copy(about.prefix + "/" + path, target, {link, true});
    // What was copied counts, whatever became of the original meanwhile.
    if (::lstat(target.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) throw system_error("cannot look at a kept file", errno).at(target);
    bundle.files.push_back({path, file_sha256(target, stop), static_cast<std::uint64_t>(status.st_size), status.st_mode & 0777U,
                            modification_time(status)});
  }
  const std::string text = render_bundle(bundle), identifier = sha256(text).hex();
  const std::string folder = cache + "/" + std::string(bundle_folder), place = folder + "/" + identifier;
  if (exists_no_follow(place + std::string(manifest_name))) return identifier;
  write_new_file(made + std::string(manifest_name), text);
  make_directories(folder);
  rename_no_replace(made, place);
  return identifier;
}

std::string BundleStore::place(const std::string& identifier) const {
  if (!is_identifier(identifier)) return {};
  for (const std::string& directory : directories_) {
    const std::string folder = directory + "/" + std::string(bundle_folder) + "/" + identifier;
    if (exists_no_follow(folder + std::string(manifest_name))) return folder;
  }
  return {};
}

std::optional<Bundle> BundleStore::find(const std::string& identifier) const {
  const std::string folder = place(identifier);
  if (folder.empty()) return std::nullopt;
  const std::string manifest = folder + std::string(manifest_name);
  const auto text = read_file_if_exists(manifest, most_manifest_bytes);
  if (!text || sha256(*text).hex() != identifier) return std::nullopt;
  Bundle bundle = parse_bundle(*text, manifest);
  bundle.folder = folder + "/files";
  return bundle;
}

std::string bundle_problem(const Bundle& bundle, const std::stop_token& stop) {
  const FileDescriptor folder(::open(bundle.folder.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!folder && !bundle.files.empty()) return "its files are gone";
  for (const BundleFile& file : bundle.files) {
    const std::string path = bundle.folder + "/" + file.path;
    const FileDescriptor open = open_beneath(folder, file.path);
    struct stat status{};
    if (!open || ::fstat(open.get(), &status) != 0 || !S_ISREG(status.st_mode)) return "the kept `" + file.path + "` is gone";
    if (static_cast<std::uint64_t>(status.st_size) != file.size || (status.st_mode & 0777U) != file.mode ||
        modification_time(status) != file.mtime_ns || file_sha256(path, stop) != file.sha256)
      return "the kept `" + file.path + "` was changed";
  }
  return {};
}

}  // namespace envtool

#include "stage_file.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <unordered_set>

#include "envtool/install/replace_placeholder.hpp"
#include "system_call.hpp"

namespace envtool::detail {

namespace {
/// A file's content mapped into memory; the cache's files are large at times and read once.
class MappedFile {
 public:
  MappedFile(const std::string& path, std::size_t size) : size_(size) {
    if (size == 0) return;
    const FileDescriptor fd(open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
    if (!fd) fail_errno("cannot open a cached file", path, errno);
    address_ = mmap(nullptr, size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd.get(), 0);
    if (address_ == MAP_FAILED) fail_errno("cannot read a cached file", path, errno);
  }
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile() {
    if (size_ != 0) munmap(address_, size_);
  }
  std::string_view text() const { return size_ == 0 ? std::string_view() : std::string_view(static_cast<const char*>(address_), size_); }

 private:
  std::size_t size_;
  void* address_ = nullptr;
};

[[noreturn]] void fail_source(const std::string& path, const std::string& why) {
  throw Error("a package in the cache is damaged", ErrorKind::corrupt)
      .at(path)
      .because(why)
      .hint("run `envtool clean --packages --force` and try again");
}

std::string stage_link(const std::string& source, const std::string& target) {
  std::string text(4096, '\0');
  const ssize_t length = readlink(source.c_str(), text.data(), text.size());
  if (length < 0) fail_errno("cannot read a symlink", source, errno);
  text.resize(static_cast<std::size_t>(length));
  if (system_call("install.symlink", [&] { return symlink(text.c_str(), target.c_str()); }) != 0)
    fail_errno("cannot create a symlink", target, errno);
  return text;
}

void write_with_mode(const std::string& target, std::string_view content, mode_t mode) {
  write_new_file(target, content, mode);
  // The umask took bits away that the package has.
  if (system_call("install.chmod", [&] { return chmod(target.c_str(), mode); }) != 0)
    fail_errno("cannot set the mode of a file", target, errno);
}
}  // namespace

FileRecipe file_recipe(const LinkPlan& plan, const FileAction& action) {
  const PlannedPackage& package = plan.packages[action.package];
  const PathEntry& entry = package.record.paths[action.entry];
  FileRecipe recipe;
  recipe.kind = action.kind;
  recipe.placeholder = entry.prefix_placeholder;
  recipe.digest = action.kind == FileAction::Kind::entry_point && entry.sha256_in_prefix ? entry.sha256_in_prefix : entry.sha256;
  recipe.size = entry.size_in_bytes;
  if (action.kind != FileAction::Kind::entry_point) {
    recipe.source = package.extracted_directory + "/" + action.source;
    return recipe;
  }
  for (const EntryPoint& entry_point : package.entry_points)
    if (entry.path == "bin/" + entry_point.command)
      recipe.source = entry_point_script(entry_point, plan.prefix + "/" + plan.python->executable);
  return recipe;
}

void refuse_linked_sources(const LinkPlan& plan) {
  std::unordered_set<std::string> known;
  for (const FileAction& action : plan.files) {
    const std::string& package = plan.packages[action.package].extracted_directory;
    std::string folder = package + "/" + action.source;
    for (folder.resize(folder.rfind('/')); folder.size() > package.size() && known.insert(folder).second;
         folder.resize(folder.rfind('/'))) {
      struct stat status{};
      if (lstat(folder.c_str(), &status) != 0) continue;  // said when its file is staged
      if (!S_ISDIR(status.st_mode))
        throw Error("a package's file lies behind a symlink", ErrorKind::unsafe)
            .at(folder)
            .because("its manifest lists `" + action.source + "`, and what is above it is no folder")
            .hint("do not install this package; tell the channel's owner");
    }
  }
}

StagedFile stage_file(const FileRecipe& recipe, const std::string& prefix, const std::string& target, LinkPolicy policy) {
  using Kind = FileAction::Kind;
  StagedFile result;
  if (recipe.kind == Kind::entry_point) {
    write_with_mode(target, recipe.source, 0755);
    result.digest = recipe.digest;
    result.is_executable = true;
    return result;
  }

  struct stat status{};
  if (lstat(recipe.source.c_str(), &status) != 0) {
    if (errno == ENOENT || errno == ENOTDIR) fail_source(recipe.source, "its manifest lists a file that is not there");
    fail_errno("cannot look at a cached file", recipe.source, errno);
  }
  if (S_ISLNK(status.st_mode)) {
    result.link_text = stage_link(recipe.source, target);
    result.is_link = true;
    return result;
  }
  if (!S_ISREG(status.st_mode)) fail_source(recipe.source, "it is neither a file nor a symlink");
  const auto size = static_cast<std::uint64_t>(status.st_size);
  result.is_executable = (status.st_mode & S_IXUSR) != 0;
  if (recipe.kind != Kind::softlink && recipe.size && *recipe.size != size)
    fail_source(recipe.source, "it has " + std::to_string(size) + " bytes, its manifest says " + std::to_string(*recipe.size));

  if (recipe.kind == Kind::rewrite_text || recipe.kind == Kind::rewrite_binary) {
    const MappedFile file(recipe.source, static_cast<std::size_t>(size));
    const FileMode mode = recipe.kind == Kind::rewrite_binary ? FileMode::binary : FileMode::text;
    const std::string content = replace_placeholder(file.text(), mode, recipe.placeholder, prefix);
    write_with_mode(target, content, status.st_mode & 0777);
    result.digest = sha256(content);
    return result;
  }
  if (recipe.kind == Kind::copy) policy.hardlink = false;
  result.linked = link_or_copy(recipe.source, target, policy);
  result.digest = recipe.digest;
  return result;
}

}  // namespace envtool::detail

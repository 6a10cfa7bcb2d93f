#include "install_fixture.hpp"

#include <openssl/sha.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include "envtool/prefix/prefix_data.hpp"

namespace envtool::test {

namespace fs = std::filesystem;

std::string slurp(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  if (!stream) throw std::runtime_error("cannot read " + path);
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

void spit(const std::string& path, const std::string& content) {
  fs::create_directories(fs::path(path).parent_path());
  std::ofstream stream(path, std::ios::binary | std::ios::trunc);
  stream << content;
  if (!stream) throw std::runtime_error("cannot write " + path);
}

namespace {
std::string hex_digest(const std::string& content) {
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(content.data()), content.size(), digest);
  static const char* digits = "0123456789abcdef";
  std::string text;
  for (unsigned char byte : digest) {
    text += digits[byte >> 4];
    text += digits[byte & 15];
  }
  return text;
}
}  // namespace

bool is_prebuilt() { return getenv("ENVTOOL_TEST_PREBUILT") != nullptr; }

PackageBuilder::PackageBuilder(std::string cache, std::string name, std::string version, std::string build) {
  RepoDataRecord& record = source_.record;
  record.name = std::move(name);
  record.version = std::move(version);
  record.build = std::move(build);
  record.subdir = "linux-64";
  record.fn = record.dist() + ".conda";
  record.channel = "https://conda.anaconda.org/test";
  record.url = record.channel + "/linux-64/" + record.fn;
  record.sha256 = Sha256::parse(hex_digest(record.dist()));
  source_.extracted_directory = std::move(cache) + "/" + record.dist();
  source_.archive_path = source_.extracted_directory + ".conda";
  if (!is_prebuilt()) fs::create_directories(source_.extracted_directory);
}

PackageBuilder& PackageBuilder::depends(std::string spec) {
  source_.record.depends.push_back(std::move(spec));
  return *this;
}

PackageBuilder& PackageBuilder::noarch_python() {
  source_.record.noarch = NoarchType::python;
  source_.record.subdir = "noarch";
  source_.link.noarch_python = true;
  return *this;
}

PackageBuilder& PackageBuilder::entry_point(std::string command, std::string module, std::string function) {
  source_.link.entry_points.push_back({std::move(command), std::move(module), std::move(function)});
  return *this;
}

PathEntry& PackageBuilder::add(const std::string& path, const std::string& content, mode_t mode) {
  const std::string full = source_.extracted_directory + "/" + path;
  if (!is_prebuilt()) {
    spit(full, content);
    if (chmod(full.c_str(), mode) != 0) throw std::runtime_error("cannot set the mode of " + full);
  }
  PathEntry entry;
  entry.path = path;
  entry.sha256 = Sha256::parse(hex_digest(content));
  entry.size_in_bytes = content.size();
  source_.paths.paths.push_back(entry);
  return source_.paths.paths.back();
}

PackageBuilder& PackageBuilder::file(const std::string& path, const std::string& content, mode_t mode) {
  add(path, content, mode);
  return *this;
}

PackageBuilder& PackageBuilder::text(const std::string& path, const std::string& content, mode_t mode) {
  add(path, content, mode).prefix_placeholder = placeholder;
  return *this;
}

PackageBuilder& PackageBuilder::binary(const std::string& path, const std::string& content, mode_t mode) {
  PathEntry& entry = add(path, content, mode);
  entry.prefix_placeholder = placeholder;
  entry.file_mode = FileMode::binary;
  return *this;
}

PackageBuilder& PackageBuilder::no_link(const std::string& path, const std::string& content) {
  add(path, content, 0644).no_link = true;
  return *this;
}

PackageBuilder& PackageBuilder::link(const std::string& path, const std::string& target) {
  const std::string full = source_.extracted_directory + "/" + path;
  if (!is_prebuilt()) {
    fs::create_directories(fs::path(full).parent_path());
    fs::create_symlink(target, full);
  }
  PathEntry entry;
  entry.path = path;
  entry.path_type = PathType::softlink;
  entry.sha256 = Sha256::parse(hex_digest("target of " + target));
  source_.paths.paths.push_back(entry);
  return *this;
}

PackageBuilder& PackageBuilder::folder(const std::string& path) {
  if (!is_prebuilt()) fs::create_directories(source_.extracted_directory + "/" + path);
  PathEntry entry;
  entry.path = path;
  entry.path_type = PathType::directory;
  source_.paths.paths.push_back(entry);
  return *this;
}

Manifest manifest(const std::string& folder) {
  Manifest result;
  for (auto item = fs::recursive_directory_iterator(folder); item != fs::recursive_directory_iterator(); ++item) {
    std::string path = item->path().string().substr(folder.size() + 1);
    // Saved files carry the change's random name.
    if (const auto mark = path.find(".envtool-saved-"); mark != std::string::npos) path.erase(mark + 15, 8);
    if (path == "conda-meta/.envtool/parked" && fs::is_empty(item->path())) continue;
    if (path.rfind("conda-meta/.envtool/parked", 0) != 0 &&
        (path.rfind("conda-meta/.envtool/lock", 0) == 0 || path == "conda-meta/.envtool" ||
         path.rfind("conda-meta/.envtool/revisions", 0) == 0 || path == "conda-meta/.envtool/generation" || path == "conda-meta/history"))
      continue;
    struct stat status{};
    if (lstat(item->path().c_str(), &status) != 0) throw std::runtime_error("cannot stat " + path);
    char mode[16];
    snprintf(mode, sizeof mode, "%04o", status.st_mode & 07777U);
    if (S_ISLNK(status.st_mode))
      result[path] = "link " + fs::read_symlink(item->path()).string();
    else if (S_ISDIR(status.st_mode))
      result[path] = "dir";
    else
      result[path] = std::string("file ") + mode + " " + hex_digest(slurp(item->path().string()));
  }
  return result;
}

std::string difference(const Manifest& expected, const Manifest& actual) {
  for (const auto& [path, value] : expected) {
    const auto found = actual.find(path);
    if (found == actual.end()) return "missing: " + path;
    if (found->second != value) return path + ": " + found->second + " instead of " + value;
  }
  for (const auto& [path, value] : actual)
    if (!expected.contains(path)) return "too much: " + path + " (" + value + ")";
  return {};
}

LinkPlan plan_for(const Prefix& prefix, const std::vector<PackageSource>& wanted, const LinkPlanOptions& options,
                  const std::vector<std::string>& reinstall) {
  std::vector<RepoDataRecord> records;
  for (const PackageSource& source : wanted) records.push_back(source.record);
  return plan_links(prefix.path(), diff(PrefixData::load(prefix).records(), records, reinstall), wanted, options);
}

InstallResult install(const Prefix& prefix, const std::vector<PackageSource>& wanted, const InstallOptions& options,
                      LinkPlanOptions plan_options, const std::vector<std::string>& reinstall) {
  EnvironmentChange change;
  change.history.command = {"envtool", "test"};
  change.history.tool_version = "0";
  change.state.emplace();
  for (const PackageSource& source : wanted) change.state->packages.push_back(source.record);
  if (!is_environment(prefix)) return create_prefix(plan_for(prefix, wanted, plan_options), change, options);
  PrefixLock lock = PrefixLock::acquire(prefix, options);
  const PrefixData found = PrefixData::load(prefix);
  change.found.emplace();
  change.found->packages.assign(found.records().begin(), found.records().end());
  plan_options.parked = parked_files(prefix);
  return apply_to_prefix(lock, plan_for(prefix, wanted, plan_options, reinstall), change, options);
}

int run_worker(const std::string& test_case, const std::map<std::string, std::string>& variables) {
  const std::string self = fs::read_symlink("/proc/self/exe").string();
  const pid_t child = fork();
  if (child == 0) {
    for (const auto& [name, value] : variables) setenv(name.c_str(), value.c_str(), 1);
    const int nothing = open("/dev/null", O_WRONLY);
    if (nothing < 0 || dup2(nothing, 1) < 0) _exit(126);
    // `injection` of the tool that traces system calls, for faults without the library's own fail points.
    if (const char* injection = getenv("ENVTOOL_TEST_INJECT"))
      execlp("strace", "strace", "-f", "-qq", "-o", "/dev/null", "-e", getenv("ENVTOOL_TEST_TRACE"), "-e", injection, self.c_str(),
             test_case.c_str(), static_cast<char*>(nullptr));
    execl(self.c_str(), "test_install", test_case.c_str(), static_cast<char*>(nullptr));
    _exit(127);
  }
  int status = 0;
  if (waitpid(child, &status, 0) != child) throw std::runtime_error("waitpid");
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace envtool::test

#include "envtool/app/lock.hpp"

#include <algorithm>
#include <filesystem>

#include "envtool/app/explicit_records.hpp"
#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"
#include "envtool/envfile/environment_spec.hpp"
#include "envtool/lockfile/conda_lock.hpp"
#include "envtool/os/files.hpp"

namespace envtool {

namespace {

std::string relative_to(const std::string& path, const std::string& lockfile) {
  return std::filesystem::path(path).lexically_relative(std::filesystem::path(lockfile).parent_path()).string();
}

/// A line of a requirements file that pins one archive (PEP 508 direct reference, pip's --hash).
std::string pinned_requirement(const LockedPackage& package) {
  return package.name + " @ " + package.url.str() + " --hash=sha256:" + package.sha256->hex();
}

void add_sources(Lockfile& lock, const EnvironmentRequest& request, const std::string& lockfile) {
  for (const std::string& path : request.sources) {
    const std::string name = relative_to(path, lockfile);
    if (std::find(lock.sources.begin(), lock.sources.end(), name) != lock.sources.end()) continue;
    const std::string content = read_file(path);
    lock.sources.push_back(name);
    lock.inputs[name] = {md5(content), sha256(content)};
  }
}

void add_channels(Lockfile& lock, const std::vector<Channel>& channels) {
  for (const Channel& channel : channels) {
    LockedChannel entry;
    entry.url = Url::looks_like_url(channel.name) ? channel.base_url.str() : channel.name;
    if (std::find(lock.channels.begin(), lock.channels.end(), entry) == lock.channels.end()) lock.channels.push_back(entry);
  }
}

}  // namespace

LockResult lock_environment(const AppInputs& inputs, const LockOptions& options) {
  if (options.request.files.empty() && options.request.specs.empty())
    throw Error("what shall be locked?", ErrorKind::usage).hint("give a file with `-f environment.yml`, or specs");
  LockResult result;
  Lockfile lock;
  std::vector<std::string> platforms = options.platforms;
  if (platforms.empty()) platforms = load_request(options.request, inputs.settings, inputs.environment).platforms;
  if (platforms.empty()) platforms = {Platform::current().str()};
  for (const std::string& name : platforms) {
    const Platform platform = Platform::parse(name);
    if (std::find(lock.platforms.begin(), lock.platforms.end(), platform) != lock.platforms.end()) continue;
    lock.platforms.push_back(platform);
    RequestOptions request_options = options.request;
    request_options.platform = name;
    EnvironmentRequest request = load_request(request_options, inputs.settings, inputs.environment);
    if (!request.pip.empty()) {
      if (!options.skip_pip)
        throw Error("a `pip:` section cannot be locked yet", ErrorKind::usage)
            .at(request.pip.front().origin)
            .because("only conda packages would be exact, and the lock would not say so")
            .hint("`--no-pip` locks the conda packages alone");
      result.warnings.push_back("the `pip:` section of " + request.pip.front().origin + " is not in the lock");
    }
    if (request.variables)
      request.warnings.push_back("`variables` are not in the lock: the format has no place for them");
    for (const std::string& text : request.warnings)
      if (std::find(result.warnings.begin(), result.warnings.end(), text) == result.warnings.end()) result.warnings.push_back(text);
    std::vector<RepoDataRecord> records;
    try {
      records = solve_request(inputs, request, platform);
    } catch (Error& error) {
      error.hint("this was the solve for " + name);
      throw;
    }
    for (const RepoDataRecord& record : records) lock.packages.push_back(to_locked_package(record, platform));
    result.packages.emplace_back(name, records.size());
    add_channels(lock, request.channels);
    add_sources(lock, request, options.lockfile);
  }
  result.text = to_conda_lock(lock);
  return result;
}

void take_lock(std::string_view text, const std::string& origin, const std::vector<std::string>& categories,
               EnvironmentRequest& request) {
  const Lockfile lock = parse_conda_lock(text, origin);
  request.warnings.insert(request.warnings.end(), lock.warnings.begin(), lock.warnings.end());
  request.explicit_records.emplace();
  PipSection pip;
  pip.origin = origin;
  pip.folder = "/";
  pip.locked = true;
  std::vector<LockedPackage> packages;
  try {
    packages = select_packages(lock, request.platform, categories);
  } catch (Error& error) {
    if (error.where().empty()) error.at(origin);
    throw;
  }
  for (const LockedPackage& package : packages) {
    if (package.manager == PackageManager::conda) request.explicit_records->push_back(to_record(package));
    else if (package.sha256) pip.requirements.push_back(pinned_requirement(package));
    else throw Error("a locked pip package has no SHA-256 digest", ErrorKind::checksum).at(package.where).because("`" + package.name + "`");
  }
  if (!pip.requirements.empty()) request.pip.push_back(std::move(pip));
}

}  // namespace envtool

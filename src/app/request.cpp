#include "envtool/app/request.hpp"

#include <algorithm>

#include "envtool/app/explicit_records.hpp"
#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"
#include "envtool/envfile/environment_spec.hpp"
#include "envtool/envfile/spec_file.hpp"
#include "envtool/os/abandonable.hpp"
#include "envtool/os/files.hpp"

namespace envtool {

namespace {

constexpr std::uint64_t file_limit = 256 << 20;

std::string folder_of(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == 0 ? "/" : path.substr(0, slash);
}

/// Collects what the files say before it is made into one request.
struct Collected {
  std::vector<EnvironmentSpec> environments;
  std::vector<MatchSpec> specs;
  std::vector<RepoDataRecord> records;
  bool locked = false;
  std::string locking_file, solving_file;
  /// Where URLs of a list brought credentials.
  std::vector<Channel> credentials;
};

void take_environment_file(const std::string& text, const std::string& origin, const std::string& folder,
                           EnvironmentRequest& request, Collected& collected) {
  EnvironmentSpec spec = parse_environment_yml(text, origin, request.platform);
  if (!spec.pip.empty()) {
    PipSection section;
    for (const PipRequirement& line : spec.pip) section.requirements.push_back(line.text);
    section.folder = folder;
    section.origin = origin;
    request.pip.push_back(std::move(section));
  }
  // Relative channels belong to the file's folder, not to where the command runs.
  for (std::string& channel : spec.channels)
    if (channel.starts_with("./") || channel.starts_with("../") || channel == "." || channel == "..")
      channel = folder + "/" + channel;
  collected.solving_file = origin;
  collected.environments.push_back(std::move(spec));
}

void take_spec_file(const std::string& text, const std::string& origin, const EnvSnapshot& environment,
                    EnvironmentRequest& request, Collected& collected) {
  auto expand = [&](std::string_view path) {
    const std::string expanded = expand_variables(path, environment);
    return Url::looks_like_url(expanded) ? expanded : absolute_path(expanded, environment);
  };
  auto parsed = parse_spec_file(text, origin, expand);
  if (auto* list = std::get_if<SpecList>(&parsed)) {
    for (const RequestedSpec& spec : list->specs) collected.specs.push_back(spec.spec);
    collected.solving_file = origin;
    return;
  }
  const ExplicitSpec& spec = std::get<ExplicitSpec>(parsed);
  if (!spec.platform.empty() && spec.platform != request.platform.str())
    throw Error("the file is for another platform", ErrorKind::invalid_input)
        .at(origin)
        .because("it says `# platform: " + spec.platform + "`, this is " + request.platform.str())
        .hint("make a list on this platform, or say `--platform " + spec.platform + "`");
  for (RepoDataRecord& record : records_of(spec, request.platform, origin)) collected.records.push_back(std::move(record));
  // Records hold no credentials: the folder that an archive's URL names lends them to it.
  for (const ExplicitPackage& package : spec.packages)
    if (package.url.has_credentials()) collected.credentials.push_back({package.url.parent().str(), package.url.parent()});
  collected.locked = true;
  collected.locking_file = origin;
}

void take_file(const std::string& name, const RequestOptions& options, const EnvSnapshot& environment,
               EnvironmentRequest& request, Collected& collected) {
  if (Url::looks_like_url(name) && !name.starts_with("file://"))
    throw Error("a file from the network is not supported", ErrorKind::invalid_input)
        .at(redact(name))
        .hint("download it first, so that you can see what will be installed");
  const std::string path = absolute_path(name.starts_with("file://") ? Url::parse(name).to_path() : name, environment);
  const std::string text = [&] {
    const AbandonableWork reading;
    return read_named_file(path, file_limit);
  }();
  // What came through a pipe cannot be looked at again.
  if (is_regular_file(path)) request.sources.push_back(path);
  switch (detect_file_kind(path, text)) {
    case FileKind::environment_yml:
      take_environment_file(text, name, folder_of(path), request, collected);
      break;
    case FileKind::spec_list:
    case FileKind::explicit_list:
      take_spec_file(text, name, environment, request, collected);
      break;
    case FileKind::conda_lock:
      take_lock(text, name, options.categories, request);
      for (RepoDataRecord& record : *request.explicit_records) collected.records.push_back(std::move(record));
      collected.locked = true;
      collected.locking_file = name;
      break;
    case FileKind::pixi_lock:
      throw Error("lock files of pixi are not supported", ErrorKind::invalid_input)
          .at(name)
          .hint("`pixi workspace export conda-environment` writes an environment.yml");
    case FileKind::requirements:
      throw Error("this is a requirements file of pip", ErrorKind::invalid_input)
          .at(name)
          .hint("put `- pip:` with `- -r " + name + "` below `dependencies:` of an environment.yml");
  }
}

}  // namespace

EnvironmentRequest load_request(const RequestOptions& options, const Settings& settings,
                                const EnvSnapshot& environment) {
  EnvironmentRequest request;
  if (!options.platform.empty()) request.platform = Platform::parse(options.platform);
  Collected collected;
  for (const std::string& file : options.files) take_file(file, options, environment, request, collected);

  EnvironmentSpec merged = merge_environments(collected.environments);
  for (const EnvironmentSpec& spec : collected.environments)
    request.warnings.insert(request.warnings.end(), spec.warnings.begin(), spec.warnings.end());
  request.name = merged.name;
  request.prefix = merged.prefix;
  for (const Platform& platform : merged.platforms) request.platforms.push_back(platform.str());
  if (!merged.variables.empty())
    request.variables = EnvironmentVariables(merged.variables.begin(), merged.variables.end());
  for (const RequestedSpec& spec : merged.dependencies) request.specs.push_back(spec.spec);
  request.specs.insert(request.specs.end(), collected.specs.begin(), collected.specs.end());
  std::size_t archives = 0;
  std::vector<MatchSpec> typed;
  for (const std::string& text : options.specs) {
    MatchSpec spec = MatchSpec::parse(text);
    if (!spec.url.empty()) ++archives;
    typed.push_back(std::move(spec));
  }
  RequestOptions of_channels = options;
  // Archives say themselves where they come from.
  if (collected.locked || (archives > 0 && archives == typed.size())) of_channels.override_channels = options.override_channels && !options.channels.empty();
  request.channels = select_channels(of_channels, merged.channels, merged.nodefaults, settings, environment);
  request.channels.insert(request.channels.end(), collected.credentials.begin(), collected.credentials.end());

  // Archives by URL or path are installed as they are, like an @EXPLICIT file.
  if (archives > 0 && archives == typed.size() && request.specs.empty()) {
    for (const MatchSpec& spec : typed) collected.records.push_back(record_of(spec, request.platform, environment));
    collected.locked = true;
    collected.locking_file = typed.front().url;
    typed.clear();
  } else if (archives > 0) {
    throw Error("archives and specs cannot be mixed", ErrorKind::usage)
        .because("an archive's URL is installed as it is, the others have to be solved")
        .hint("install them in two steps");
  }
  request.specs.insert(request.specs.end(), typed.begin(), typed.end());
  if (collected.locked && (!request.specs.empty() || !collected.environments.empty()))
    throw Error("a lock cannot be mixed with specs that have to be solved", ErrorKind::usage)
        .at(collected.locking_file)
        .because(collected.solving_file.empty() ? "specs were given, too" : "`" + collected.solving_file + "` was given, too")
        .hint("create the environment from the lock, then `envtool install` the rest");
  request.explicit_records.reset();
  if (collected.locked) {
    std::sort(collected.records.begin(), collected.records.end(),
              [](const RepoDataRecord& a, const RepoDataRecord& b) { return a.name < b.name; });
    for (std::size_t i = 1; i < collected.records.size(); ++i)
      if (collected.records[i - 1].name == collected.records[i].name)
        throw Error("two archives of `" + collected.records[i].name + "`", ErrorKind::invalid_input)
            .at(collected.locking_file)
            .because("`" + collected.records[i - 1].fn + "` and `" + collected.records[i].fn + "` cannot be in one environment");
    request.explicit_records = std::move(collected.records);
  }
  return request;
}

}  // namespace envtool

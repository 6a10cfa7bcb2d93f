#include "envtool/app/pip.hpp"

#include "envtool/app/freeze.hpp"

#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"
#include "envtool/base/url.hpp"
#include "envtool/os/files.hpp"
#include "envtool/os/process.hpp"
#include "pip_distributions.hpp"

namespace envtool {

namespace {
/// pip resolves `-r FILE` of a requirements file against that file's folder. Ours lies in a
/// temporary folder, so such paths are made absolute.
std::string absolute_reference(std::string_view line, const std::string& folder) {
  for (std::string_view option : {"--requirement", "--constraint", "-r", "-c"}) {
    if (!line.starts_with(option)) continue;
    std::string_view rest = line.substr(option.size());
    const bool separated = !rest.empty() && (rest[0] == ' ' || rest[0] == '=' || rest[0] == '\t');
    if (!separated && option.size() > 2) continue;
    if (separated) rest = strip(rest.substr(1));
    if (rest.empty() || rest[0] == '/' || rest[0] == '~' || Url::looks_like_url(rest)) return std::string(line);
    return std::string(option) + " " + folder + "/" + std::string(rest);
  }
  return std::string(line);
}
}  // namespace

void install_pip_section(const Prefix& prefix, const PipSection& section, const EnvSnapshot& environment,
                         const PipOptions& options, std::stop_token stop) {
  const std::string python = prefix / "bin/python";
  if (!exists(python))
    throw Error("the `pip:` section cannot be installed", ErrorKind::environment_not_found)
        .at(section.origin)
        .because("the environment has no Python")
        .hint("add `python` and `pip` to `dependencies`");
  std::string requirements;
  for (const std::string& line : section.requirements) requirements += absolute_reference(strip(line), section.folder) + "\n";
  const TemporaryDirectory folder(environment.get("TMPDIR").value_or("/tmp"), "envtool-pip-");
  const std::string file = folder.path() + "/requirements.txt";
  write_new_file(file, requirements, 0600);

  EnvSnapshot variables = environment.with("PATH", prefix / "bin:" + environment.get("PATH").value_or("/usr/bin:/bin"))
                              .with("CONDA_PREFIX", prefix.path())
                              .with("PIP_NO_INPUT", "1")
                              .with("PIP_DISABLE_PIP_VERSION_CHECK", "1")
                              .with("PIP_ROOT_USER_ACTION", "ignore")
                              .with("PYTHONNOUSERSITE", "1")
                              .without("PYTHONHOME")
                              .without("PYTHONPATH");
  if (options.offline) variables = variables.with("PIP_NO_INDEX", "1");
  // We are here although the environment is frozen: the user said so.
  if (keeps_pip_out(prefix)) variables = variables.with("PIP_BREAK_SYSTEM_PACKAGES", "1");
  ProcessRequest request;
  request.arguments = {python, "-m", "pip", "install"};
  if (section.locked) request.arguments.insert(request.arguments.end(), {"--no-deps", "--require-hashes"});
  if (options.upgrade) request.arguments.push_back("--upgrade");
  request.arguments.insert(request.arguments.end(), {"-r", file});
  request.environment = &variables;
  request.working_directory = section.folder;
  request.on_output = options.on_output;
  const ProcessResult result = run_process(request, stop);
  if (stop.stop_requested()) throw Error("interrupted while pip was running", ErrorKind::interrupted);
  if (result.exit_code != 0)
    throw Error("pip could not install the `pip:` section", ErrorKind::child_failed)
        .at(section.origin)
        .because("`" + python + " -m pip install` ended with exit code " + std::to_string(result.exit_code))
        .hint("pip's own messages above say what is wrong");
}

std::vector<PipPackage> pip_packages(const Prefix& prefix, std::span<const PrefixRecord> records) {
  std::vector<PipPackage> packages;
  for (const PipDistribution& distribution : detail::installed_distributions(prefix, records))
    packages.push_back({distribution.name, distribution.version, distribution.direct_url, distribution.editable});
  return packages;
}

}  // namespace envtool

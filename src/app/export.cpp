#include "envtool/app/export.hpp"

#include <algorithm>

#include "envtool/activation/activation.hpp"
#include "envtool/base/error.hpp"
#include "envtool/base/url.hpp"
#include "envtool/envfile/environment_spec.hpp"
#include "envtool/envfile/spec_file.hpp"
#include "envtool/prefix/history.hpp"
#include "envtool/prefix/prefix_data.hpp"
#include "envtool/specs/channel.hpp"
#include "envtool/transaction/link_order.hpp"

namespace envtool {

namespace {
RequestedSpec dependency(std::string text) {
  RequestedSpec spec;
  spec.spec = MatchSpec::parse(text);
  spec.text = std::move(text);
  return spec;
}

/// The channels that the packages came from, by short name where there is one, most used first.
std::vector<std::string> channels_of(const std::vector<PrefixRecord>& records) {
  std::vector<std::pair<std::string, int>> counts;
  const ChannelConfig config;
  for (const PrefixRecord& record : records) {
    std::string name = record.channel;
    if (Url::looks_like_url(name))
      if (const auto channels = Channel::resolve(name, config); channels.size() == 1) name = channels[0].name;
    if (name.empty()) continue;
    const auto found = std::find_if(counts.begin(), counts.end(), [&](const auto& item) { return item.first == name; });
    if (found == counts.end()) counts.emplace_back(name, 1);
    else ++found->second;
  }
  std::stable_sort(counts.begin(), counts.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
  std::vector<std::string> names;
  for (auto& [name, count] : counts) names.push_back(name);
  return names;
}
}  // namespace

EnvironmentSpec export_environment(const Prefix& prefix, const std::string& name, const ExportOptions& options) {
  const PrefixData data = PrefixData::load(prefix);
  EnvironmentSpec spec;
  spec.name = name;
  spec.prefix = prefix.path();
  spec.channels = channels_of(data.records());
  if (options.from_history) {
    for (const auto& [package, text] : History::load(prefix).requested_specs())
      if (data.find(package) != nullptr) spec.dependencies.push_back(dependency(text));
  } else {
    for (const PrefixRecord& record : data.records())
      spec.dependencies.push_back(
          dependency(record.name + "=" + record.version + (options.no_builds ? "" : "=" + record.build)));
    for (const PipPackage& package : pip_packages(prefix, data.records())) {
      PipRequirement requirement;
      requirement.text = package.direct_url.empty() ? package.name + "==" + package.version
                         : package.editable         ? "-e " + package.direct_url
                                                    : package.name + " @ " + package.direct_url;
      spec.pip.push_back(std::move(requirement));
    }
  }
  for (const auto& [variable, value] : read_state(prefix))
    if (value != unset_variable_mark) spec.variables.emplace_back(variable, value);
  return spec;
}

std::string export_explicit(const Prefix& prefix, const std::string& digest) {
  const PrefixData data = PrefixData::load(prefix);
  ExplicitSpec spec;
  spec.platform = Platform::current().str();
  std::vector<const PackageRecord*> records;
  for (const PrefixRecord& record : data.records()) {
    records.push_back(&record);
    if (record.subdir != "noarch" && !record.subdir.empty()) spec.platform = record.subdir;
  }
  for (const std::size_t index : link_order(records)) {
    const PrefixRecord& record = data.records()[index];
    if (!Url::looks_like_url(record.url))
      throw Error("the environment cannot be listed explicitly", ErrorKind::invalid_input)
          .at(prefix.conda_meta() + "/" + record.file_name())
          .because("the record of `" + record.name + "` has no URL");
    ExplicitPackage package;
    package.url = Url::parse(record.url);
    package.md5 = record.md5;
    package.sha256 = record.sha256;
    spec.packages.push_back(std::move(package));
  }
  return to_explicit(spec, digest == "sha256" ? ExplicitDigest::sha256 : digest == "md5" ? ExplicitDigest::md5 : ExplicitDigest::none);
}

}  // namespace envtool

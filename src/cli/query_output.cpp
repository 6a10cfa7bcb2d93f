#include "query_output.hpp"

#include <algorithm>
#include <ctime>
#include <nlohmann/json.hpp>

#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"
#include "envtool/base/url.hpp"
#include "envtool/specs/platform.hpp"
#include "json_output.hpp"
#include "terminal.hpp"

namespace envtool {

namespace {
using Json = nlohmann::ordered_json;

/// What other packages are asked for with: a URL in it may hold a password of the channel's.
std::vector<std::string> redacted(std::vector<std::string> specs) {
  for (std::string& spec : specs) spec = redact(spec);
  return specs;
}

std::string time_text(std::uint64_t milliseconds) {
  const auto seconds = static_cast<std::time_t>(milliseconds / 1000);
  std::tm parts{};
  char text[64];
  if (::gmtime_r(&seconds, &parts) == nullptr) return std::to_string(milliseconds);
  const std::size_t size = std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S UTC", &parts);
  return {text, size};
}

/// Deeper than any real chain of dependencies: a made-up one must not print without end.
constexpr std::size_t deepest = 256;
}  // namespace

Json record_json(const RepoDataRecord& record, ChannelForm form) {
  Json object;
  if (!record.arch.empty()) object["arch"] = record.arch;
  object["build"] = record.build;
  object["build_number"] = record.build_number;
  object["build_string"] = record.build;
  object["channel"] = form == ChannelForm::name ? channel_display_name(record.channel) : redact(record.channel) + "/" + record.subdir;
  object["constrains"] = redacted(record.constrains);
  object["depends"] = redacted(record.depends);
  if (!record.extra_depends.empty()) {
    object["extra_depends"] = Json::object();
    for (const auto& [group, specs] : record.extra_depends) object["extra_depends"][group] = redacted(specs);
  }
  if (!record.features.empty()) object["features"] = record.features;
  if (!record.flags.empty()) object["flags"] = record.flags;
  object["fn"] = record.fn;
  object["license"] = record.license;
  if (!record.license_family.empty()) object["license_family"] = record.license_family;
  if (record.md5) object["md5"] = record.md5->hex();
  object["name"] = record.name;
  if (record.noarch != NoarchType::none) object["noarch"] = record.noarch == NoarchType::python ? "python" : "generic";
  if (!record.platform.empty()) object["platform"] = record.platform;
  if (record.sha256) object["sha256"] = record.sha256->hex();
  object["size"] = record.size;
  object["subdir"] = record.subdir;
  if (record.timestamp != 0) object["timestamp"] = record.timestamp;
  object["track_features"] = join(record.track_features, " ");
  object["url"] = redact(record.url);
  object["version"] = record.version;
  return object;
}

std::vector<std::string> record_cells(const RepoDataRecord& record) {
  return {escape_control(record.name), escape_control(record.version), escape_control(record.build),
          escape_control(channel_display_name(record.channel))};
}

std::string record_details(const RepoDataRecord& record) {
  const std::string headline = escape_control(record.name + " " + record.version + " " + record.build);
  std::string text = headline + "\n" + std::string(headline.size(), '-') + "\n";
  std::vector<std::vector<std::string>> rows;
  const auto add = [&](const char* what, const std::string& value) {
    if (!value.empty()) rows.push_back({what, ": " + escape_control(value)});
  };
  add("file name", record.fn);
  add("name", record.name);
  add("version", record.version);
  add("build", record.build);
  add("build number", std::to_string(record.build_number));
  if (record.size != 0) add("size", human_size(record.size));
  add("license", record.license);
  add("subdir", record.subdir);
  add("channel", channel_display_name(record.channel));
  add("url", redact(record.url));
  if (record.sha256) add("sha256", record.sha256->hex());
  if (record.md5) add("md5", record.md5->hex());
  if (record.timestamp != 0) add("timestamp", time_text(record.timestamp));
  add("track_features", join(record.track_features, ", "));
  add("flags", join(record.flags, ", "));
  for (auto& row : rows) {
    row[0].resize(std::max<std::size_t>(14, row[0].size()), ' ');
    text += row[0] + row[1] + "\n";
  }
  const auto add_list = [&](const std::string& what, const std::vector<std::string>& items) {
    if (items.empty()) return;
    text += what + ":\n";
    for (const std::string& item : items) text += "  - " + escape_control(redact(item)) + "\n";
  };
  add_list("dependencies", record.depends);
  for (const auto& [group, specs] : record.extra_depends) add_list("with extra `" + escape_control(group) + "`", specs);
  add_list("constraints", record.constrains);
  return text;
}

std::string dependency_tree(const DependencyGraph& graph, std::size_t depth) {
  if (depth == 0 || depth > deepest) depth = deepest;
  const auto label = [&](const DependencyGraph::Node& node) {
    switch (node.kind) {
      case DependencyGraph::Kind::virtual_package: return escape_control(redact(node.spec));
      case DependencyGraph::Kind::missing: return escape_control(redact(node.spec)) + " (not found)";
      case DependencyGraph::Kind::package: break;
    }
    return escape_control(node.record.name + "[" + node.record.version + "]");
  };
  std::string text = label(graph.nodes[0]) + "\n";
  std::vector<bool> drawn(graph.nodes.size(), false);
  // Not by recursion: a hostile channel decides how deep it goes.
  struct Level {
    std::size_t node = 0;
    std::size_t next_edge = 0;
    std::string indent;
  };
  std::vector<Level> levels{{0, 0, ""}};
  drawn[0] = true;
  while (!levels.empty()) {
    Level& level = levels.back();
    const auto& edges = graph.nodes[level.node].edges;
    if (level.next_edge == edges.size()) {
      levels.pop_back();
      continue;
    }
    const std::size_t number = edges[level.next_edge++].to;
    const bool is_last = level.next_edge == edges.size();
    const DependencyGraph::Node& node = graph.nodes[number];
    text += level.indent + (is_last ? "└─ " : "├─ ") + label(node);
    if (node.edges.empty()) {
      text += "\n";
    } else if (drawn[number]) {
      text += " (see above)\n";
    } else if (levels.size() >= depth) {
      text += " ...\n";
    } else {
      text += "\n";
      drawn[number] = true;
      std::string indent = level.indent + (is_last ? "   " : "│  ");
      levels.push_back({number, 0, std::move(indent)});
    }
  }
  return text;
}

std::vector<MatchSpec> query_specs(const std::vector<std::string>& texts) {
  std::vector<MatchSpec> specs;
  for (const std::string& text : texts) {
    specs.push_back(MatchSpec::parse(text));
    if (!specs.back().url.empty())
      throw Error("this names one archive, there is nothing to look for", ErrorKind::usage)
          .at(redact(text))
          .hint("give a name or a spec, for example `numpy` or `numpy>=1.20`");
  }
  return specs;
}

RecordSource channel_records(const AppInputs& inputs, const ChannelOptions& options, std::vector<MatchSpec>& specs) {
  RequestOptions request;
  request.channels = options.channels;
  request.override_channels = options.override_channels;
  std::vector<Channel> channels = select_channels(request, {}, false, inputs.settings, inputs.environment);
  ChannelConfig config = inputs.settings.channel_config;
  config.home = inputs.environment.home;
  config.working_directory = inputs.environment.working_directory;
  std::vector<std::string> subdirs;
  if (options.platform != "noarch")
    subdirs.push_back(options.platform.empty() ? Platform::current().str() : Platform::parse(options.platform).str());
  subdirs.push_back("noarch");
  for (MatchSpec& spec : specs) {
    // `channel::spec` may name a channel that no list has: it comes last.
    if (!spec.channel.empty() && spec.channel.find('*') == std::string::npos)
      for (Channel& channel : Channel::resolve(spec.channel, config))
        if (std::find(channels.begin(), channels.end(), channel) == channels.end()) channels.push_back(std::move(channel));
    spec.promote_channel(config);
    const auto& known = Platform::known();
    if (std::find(known.begin(), known.end(), spec.subdir) != known.end() &&
        std::find(subdirs.begin(), subdirs.end(), spec.subdir) == subdirs.end())
      subdirs.insert(subdirs.end() - 1, spec.subdir);
  }
  return RecordSource::of_channels(inputs, std::move(channels), std::move(subdirs));
}

}  // namespace envtool

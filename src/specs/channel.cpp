#include "envtool/specs/channel.hpp"

#include <algorithm>
#include <optional>

#include "archive_name.hpp"
#include "characters.hpp"
#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"

namespace envtool {

namespace {

constexpr std::size_t longest_text = 2048;
constexpr std::size_t longest_component = 128;
constexpr int deepest_multichannel = 8;
constexpr std::size_t most_channels = 256;

Error invalid(std::string_view text, std::string why) {
  return Error("invalid channel " + quoted(text), ErrorKind::invalid_input).because(std::move(why));
}

std::string_view without_trailing_slashes(std::string_view text) {
  while (text.ends_with('/')) {
    text.remove_suffix(1);
  }
  return text;
}

/// The path of `url` below `base` (`conda-forge` for the alias), or nothing.
std::optional<std::string> path_below(const Url& url, const Url& base) {
  if (url.origin() != base.origin() || !url.query().empty()) {
    return std::nullopt;
  }
  const std::string_view base_path = without_trailing_slashes(base.path());
  std::string_view path = url.path();
  if (!path.starts_with(base_path)) {
    return std::nullopt;
  }
  path.remove_prefix(base_path.size());
  if (!path.starts_with('/') || path.size() < 2) {
    return std::nullopt;
  }
  return percent_decode(path.substr(1));
}

std::string name_of(const Url& url, const ChannelConfig& config) {
  for (const auto& [name, base] : config.custom_channels) {
    const std::optional<std::string> path = path_below(url, Url::parse(base));
    if (path && (*path == name || path->starts_with(name + "/"))) {
      return *path;
    }
  }
  // conda takes the host `conda.anaconda.org` and its alias for one; a URL that only repeats the
  // alias has no path and so no short name.
  return path_below(url, config.channel_alias).value_or(url.str());
}

Channel from_url(std::string_view text, const ChannelConfig& config) {
  const Url url = Url::parse(text).without_fragment();
  if (!url.query().empty()) {
    throw invalid(text, "a channel's URL has no `?`");
  }
  const std::string wire = url.with_credentials().reveal();
  std::string_view base = wire;
  take_subdir(base);
  Channel channel;
  channel.base_url = Url::parse(base);
  channel.name = name_of(channel.base_url, config);
  return channel;
}

/// Removes `.` and `..` without looking at the disk.
std::string normalized_path(std::string_view path) {
  std::vector<std::string_view> parts;
  for (std::string_view part : split(path, '/')) {
    if (part.empty() || part == ".") {
      continue;
    }
    if (part == "..") {
      if (!parts.empty()) {
        parts.pop_back();
      }
      continue;
    }
    parts.push_back(part);
  }
  std::string out;
  for (std::string_view part : parts) {
    out += '/';
    out += part;
  }
  return out.empty() ? "/" : out;
}

Channel from_path(std::string_view text, const ChannelConfig& config) {
  std::string path = replace_all(text, "\\", "/");
  bool has_drive = false;
  if (path.starts_with('~')) {
    if (config.home.empty()) {
      throw invalid(text, "`~` stands for the home folder, and none is known");
    }
    path = config.home + path.substr(1);
  } else if (path.size() >= 2 && path[1] == ':') {
    has_drive = true;
    path = "/" + path;
  } else if (!path.starts_with('/')) {
    if (config.working_directory.empty()) {
      throw invalid(text, "it is relative to a folder that is not known").hint("write the absolute path");
    }
    path = config.working_directory + "/" + path;
  }
  path = normalized_path(path);
  std::string_view base = path;
  take_subdir(base);
  Channel channel;
  channel.base_url = has_drive ? Url::parse("file://" + percent_encode(base, "/:")) : Url::from_path(base);
  channel.name = name_of(channel.base_url, config);
  return channel;
}

/// CEP 26 for the parts of a name, with upper case allowed: old channels and labels have it.
void check_name(std::string_view name) {
  for (std::string_view part : split(name, '/')) {
    if (part.empty()) {
      throw invalid(name, "it has an empty part between slashes");
    }
    if (part.size() > longest_component) {
      throw invalid(name, "a part between slashes is longer than 128 characters");
    }
    if (part.front() == '.' || part.front() == '-') {
      throw invalid(name, std::string("a part starts with `") + part.front() + "`")
          .hint("a folder is written `./folder`, `~/folder` or `/folder`");
    }
    for (char c : part) {
      if (!is_letter(c) && !is_digit(c) && c != '_' && c != '-' && c != '.') {
        Error error = invalid(name, "it contains " + quoted(std::string_view(&c, 1)));
        if (c == '[') {
          error.hint("ask for a subdir by the platform, not in the channel's name");
        }
        if (c == ',') {
          error.hint("give several channels one by one");
        }
        throw error;
      }
    }
  }
}

Channel from_name(std::string_view name, const ChannelConfig& config) {
  check_name(name);
  // The longest custom channel that the name is, or is a label of.
  std::string_view key = name;
  while (true) {
    const auto custom = config.custom_channels.find(std::string(key));
    if (custom != config.custom_channels.end()) {
      const Url base = Url::parse(custom->second);
      return {std::string(name), Url::parse(std::string(without_trailing_slashes(base.with_credentials().reveal())) +
                                            "/" + percent_encode(name))};
    }
    const std::size_t slash = key.rfind('/');
    if (slash == std::string_view::npos) {
      break;
    }
    key = key.substr(0, slash);
  }
  const std::string alias = config.channel_alias.with_credentials().reveal();
  return {std::string(name), Url::parse(std::string(without_trailing_slashes(alias)) + "/" + percent_encode(name))};
}

void resolve_into(std::string_view text, const ChannelConfig& config, int depth, std::vector<Channel>& out) {
  const std::string_view wanted = strip(text);
  if (wanted.empty()) {
    throw invalid(text, "it is empty");
  }
  if (wanted.size() > longest_text) {
    throw invalid(text, "it is longer than " + std::to_string(longest_text) + " characters");
  }
  if (depth > deepest_multichannel || out.size() > most_channels) {
    throw invalid(text, "`custom_multichannels` refer to one another without end");
  }
  std::string_view name = wanted;
  const bool is_url = Url::looks_like_url(wanted);
  if (!is_url && !looks_like_path(wanted)) {
    take_subdir(name);
    const auto members = config.custom_multichannels.find(std::string(name));
    if (members != config.custom_multichannels.end()) {
      for (const std::string& member : members->second) {
        resolve_into(member, config, depth + 1, out);
      }
      return;
    }
    if (name == "defaults") {
      for (const std::string& member : config.default_channels) {
        resolve_into(member, config, depth + 1, out);
      }
      return;
    }
    if (name == "local" && !config.custom_channels.contains("local")) {
      Channel channel = from_path("~/conda-bld", config);
      channel.name = "local";
      out.push_back(std::move(channel));
      return;
    }
    if (name == "nodefaults") {
      return;
    }
  }
  Channel channel = is_url                    ? from_url(wanted, config)
                    : looks_like_path(wanted) ? from_path(wanted, config)
                                              : from_name(name, config);
  if (std::find(out.begin(), out.end(), channel) == out.end()) {
    out.push_back(std::move(channel));
  }
}

}  // namespace

std::vector<Channel> Channel::resolve(std::string_view text, const ChannelConfig& config) {
  std::vector<Channel> channels;
  resolve_into(text, config, 0, channels);
  return channels;
}

}  // namespace envtool

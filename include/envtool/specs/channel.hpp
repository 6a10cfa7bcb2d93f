#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "envtool/base/url.hpp"

namespace envtool {

/// How channel names become URLs (`channel_alias`, `custom_channels`, `custom_multichannels`,
/// `default_channels` of .condarc).
struct ChannelConfig {
  /// Base for plain names. Default: conda's public server.
  Url channel_alias = Url::parse("https://conda.anaconda.org");
  /// Name to base URL (the name is appended).
  std::map<std::string, std::string> custom_channels;
  /// Name to several channels.
  std::map<std::string, std::vector<std::string>> custom_multichannels;
  /// What `defaults` stands for.
  std::vector<std::string> default_channels = {"https://repo.anaconda.com/pkgs/main",
                                               "https://repo.anaconda.com/pkgs/r"};
  /// For relative paths (`./channel`).
  std::string working_directory;
  /// For `~`.
  std::string home;
};

/// A channel: where packages come from (CEP 26 channel names).
struct Channel {
  /// Short name: the path below `channel_alias` or a custom channel (`conda-forge`, `pkgs/pro`),
  /// otherwise the URL without credentials.
  std::string name;
  /// Without subdir, without trailing slash.
  Url base_url;

  /// Resolves a name, URL or path; a multichannel (`defaults`, `custom_multichannels`) gives several
  /// and `nodefaults` none (CEP 24). Throws `Error` (invalid_input) for nonsense. A trailing known
  /// subdir (`conda-forge/linux-64`) is removed. Credentials of a URL are kept in `base_url`, as secrets.
  /// `local` is `~/conda-bld` unless configured otherwise.
  static std::vector<Channel> resolve(std::string_view text, const ChannelConfig& config);
  bool operator==(const Channel&) const = default;
};

}  // namespace envtool

#include <algorithm>

#include "envtool/app/request.hpp"
#include "envtool/base/error.hpp"

namespace envtool {

std::vector<Channel> select_channels(const RequestOptions& options, const std::vector<std::string>& of_files,
                                     bool nodefaults, const Settings& settings, const EnvSnapshot& environment) {
  std::vector<std::string> names = options.channels;
  names.insert(names.end(), of_files.begin(), of_files.end());
  if (!options.override_channels && !nodefaults)
    names.insert(names.end(), settings.channels.begin(), settings.channels.end());
  if (names.empty() && options.override_channels)
    throw Error("`--override-channels` leaves no channel", ErrorKind::usage)
        .because("neither `-c` nor a file names one")
        .hint("name a channel with `-c`, or leave `--override-channels` out");
  if (names.empty()) names = settings.channels.empty() ? settings.fallback_channels : settings.channels;

  ChannelConfig config = settings.channel_config;
  config.home = environment.home;
  config.working_directory = environment.working_directory;
  std::vector<Channel> channels;
  for (const std::string& name : names)
    for (Channel& channel : Channel::resolve(name, config))
      if (std::find(channels.begin(), channels.end(), channel) == channels.end()) channels.push_back(std::move(channel));
  return channels;
}

}  // namespace envtool

#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "envtool/specs/channel.hpp"

namespace envtool {

/// What one channel's index says of other channels (CEP 42).
struct ChannelRelation {
  enum class Kind {
    base,      ///< has a higher priority than the declaring channel
    overrides  ///< has a lower priority
  };
  Channel declared_by;
  Kind kind = Kind::base;
  Channel target;
};

/// The channel that a reference (`../conda-forge`) means, seen from the one that declares it. Throws
/// `Error` (invalid_input) unless it is relative and stays on the server.
Channel resolve_channel_reference(const Channel& declared_by, std::string_view reference);

/// All channels, highest priority first: those of the user keep their order, related ones are placed
/// by their relations (CEP 42 "Topological sorting"). Throws `Error` (invalid_input) for a cycle.
std::vector<Channel> order_channels(const std::vector<Channel>& user_channels, const std::vector<ChannelRelation>& relations);

}  // namespace envtool

#include "channel_relations.hpp"

#include <algorithm>
#include <set>

#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"

namespace envtool {

namespace {

Error bad_reference(const Channel& declared_by, std::string_view reference, std::string why) {
  Error error("channel names another one in a way that is not allowed", ErrorKind::invalid_input);
  error.at(declared_by.base_url.str()).because("`" + escape_control(reference) + "` " + std::move(why));
  return error;
}

// The short name that belongs to a URL if the declaring channel's URL ends with its short name.
std::string related_name(const Channel& declared_by, const Url& url) {
  const std::string known = declared_by.base_url.str();
  const std::string wanted = url.str();
  if (!known.ends_with("/" + declared_by.name)) return wanted;
  const std::string front = known.substr(0, known.size() - declared_by.name.size());
  return wanted.starts_with(front) && wanted.size() > front.size() ? wanted.substr(front.size()) : wanted;
}

// Channels as numbers, with an edge from each to those that must come behind it.
class PriorityGraph {
 public:
  explicit PriorityGraph(const std::vector<Channel>& user_channels) {
    for (const Channel& channel : user_channels) number(channel);
    user_count_ = channels_.size();
    for (std::size_t i = 1; i < user_count_; ++i) behind_[i - 1].insert(i);
  }

  void add(const ChannelRelation& relation) {
    std::size_t front = number(relation.target), back = number(relation.declared_by);
    if (relation.kind == ChannelRelation::Kind::overrides) std::swap(front, back);
    // What the user wrote down wins over what channels say.
    const bool contradicts = front < user_count_ && back < user_count_ && back < front;
    if (!contradicts) behind_[front].insert(back);
  }

  // Depth first, from the back: what is related ends up side by side.
  std::vector<Channel> sorted() {
    marks_.assign(channels_.size(), Mark::unseen);
    for (std::size_t i = channels_.size(); i-- > 0;) visit(i);
    std::reverse(reversed_.begin(), reversed_.end());
    return std::move(reversed_);
  }

 private:
  enum class Mark { unseen, open, done };

  std::size_t number(const Channel& channel) {
    const auto found = std::find_if(channels_.begin(), channels_.end(), [&](const Channel& known) {
      return known.base_url.str() == channel.base_url.str();
    });
    if (found != channels_.end()) return static_cast<std::size_t>(found - channels_.begin());
    channels_.push_back(channel);
    behind_.emplace_back();
    return channels_.size() - 1;
  }

  void visit(std::size_t channel) {
    if (marks_[channel] == Mark::done) return;
    if (marks_[channel] == Mark::open) {
      throw Error("channels name each other in a circle", ErrorKind::invalid_input)
          .at(channels_[channel].base_url.str())
          .because("each is to come before the other")
          .hint("list the channels yourself, in the order that you want");
    }
    marks_[channel] = Mark::open;
    for (auto next = behind_[channel].rbegin(); next != behind_[channel].rend(); ++next) visit(*next);
    marks_[channel] = Mark::done;
    reversed_.push_back(channels_[channel]);
  }

  std::vector<Channel> channels_;
  std::vector<std::set<std::size_t>> behind_;
  std::size_t user_count_ = 0;
  std::vector<Mark> marks_;
  std::vector<Channel> reversed_;
};

}  // namespace

Channel resolve_channel_reference(const Channel& declared_by, std::string_view reference) {
  if (!reference.starts_with("../") && reference != "..") {
    throw bad_reference(declared_by, reference, "does not start with `../` (CEP 42)");
  }
  std::vector<std::string_view> parts;
  for (const auto part : split(declared_by.base_url.path(), '/')) {
    if (!part.empty()) parts.push_back(part);
  }
  for (const auto part : split(reference, '/')) {
    if (part.empty() || part == ".") continue;
    if (part == "..") {
      if (parts.empty()) throw bad_reference(declared_by, reference, "leads out of the server");
      parts.pop_back();
    } else if (part.find_first_of("?#%\\:") != std::string_view::npos) {
      throw bad_reference(declared_by, reference, "is not a plain path");
    } else {
      parts.push_back(part);
    }
  }
  std::string path;
  for (const auto part : parts) path.append("/").append(part);
  Channel related;
  related.base_url = declared_by.base_url.resolve(path.empty() ? "/" : path);
  if (!declared_by.base_url.token().empty()) {
    related.base_url = related.base_url.with_token(declared_by.base_url.token());
  }
  related.name = related_name(declared_by, related.base_url);
  return related;
}

std::vector<Channel> order_channels(const std::vector<Channel>& user_channels, const std::vector<ChannelRelation>& relations) {
  PriorityGraph graph(user_channels);
  for (const ChannelRelation& relation : relations) graph.add(relation);
  return graph.sorted();
}

}  // namespace envtool

#include "final_tree.hpp"

#include <vector>

#include "envtool/base/text.hpp"

namespace envtool::detail {

namespace {
/// As many symlinks as the kernel follows.
constexpr int most_links = 40;

/// Puts the parts of a path in front of those that are still to be walked (kept in reverse).
void push_parts(std::vector<std::string>& ahead, std::string_view path) {
  const auto parts = split(path, '/');
  for (auto part = parts.rbegin(); part != parts.rend(); ++part)
    if (!part->empty() && *part != ".") ahead.emplace_back(*part);
}
}  // namespace

FinalTree::Node FinalTree::look(const std::string& path, bool is_new) const {
  using Type = Node::Type;
  if (const auto found = placed_.find(path); found != placed_.end())
    return found->second.is_link ? Node{Type::link, true, found->second.text} : Node{Type::other, true, {}};
  const Node made{folders_.contains(path) ? Type::folder : Type::absent, true, {}};
  if (is_new || gone_.contains(path)) return made;
  switch (root_.look(path).type) {
    case Found::Type::absent: return made;
    case Found::Type::directory: return {Type::folder, false, {}};
    case Found::Type::link: return {Type::link, false, root_.link_text(path).value_or("")};
    // What is in the way of a folder is kept aside.
    default: return made.type == Type::folder ? made : Node{Type::other, false, {}};
  }
}

const FinalTree::Way& FinalTree::folder(const std::string& path) {
  const auto known = known_.find(path);
  return known != known_.end() ? known->second : known_.emplace(path, walk(path)).first->second;
}

FinalTree::Way FinalTree::walk(const std::string& path) {
  using End = Way::End;
  Way way;
  std::vector<std::string> ahead;
  push_parts(ahead, path);
  // Parts that come from a symlink's text have to be there; those of the path itself can be made.
  std::size_t own_parts = ahead.size();
  // Below this folder, which will be a new one, what is on disk now does not count.
  std::string new_folder;
  for (int links = 0; !ahead.empty();) {
    const std::string part = std::move(ahead.back());
    ahead.pop_back();
    const bool from_link = ahead.size() >= own_parts;
    if (!from_link) own_parts = ahead.size();
    if (part == "..") {
      if (way.path.empty()) return {End::outside, {}, way.culprit};
      const std::size_t slash = way.path.rfind('/');
      way.path.resize(slash == std::string::npos ? 0 : slash);
      continue;
    }
    const std::string next = way.path.empty() ? part : way.path + "/" + part;
    if (next == "conda-meta" && !way.culprit.empty()) return {End::own, next, way.culprit};
    const Node node = look(next, !new_folder.empty() && next.starts_with(new_folder + "/"));
    if (node.is_new && node.type != Node::Type::link) new_folder = next;
    switch (node.type) {
      case Node::Type::absent:
        if (from_link) return {End::nowhere, next, way.culprit};
        break;
      case Node::Type::folder:
        break;
      case Node::Type::other:
        return {End::not_folder, next, next};
      case Node::Type::link:
        if (way.culprit.empty()) way.culprit = next;
        // The kernel is asked to stay beneath the prefix, where no absolute text leads.
        if (node.text.starts_with('/')) return {End::outside, {}, next};
        if (node.text.empty() || ++links > most_links) return {End::nowhere, next, next};
        push_parts(ahead, node.text);
        continue;
    }
    way.path = next;
  }
  return way;
}

}  // namespace envtool::detail

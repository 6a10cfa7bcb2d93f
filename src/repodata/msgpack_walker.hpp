#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "envtool/base/error.hpp"

namespace envtool {

/// What a MessagePack value is.
enum class MsgpackKind : std::uint8_t { null, boolean, unsigned_number, signed_number, real_number, text, bytes, array, object };

/// One MessagePack value with all that is in it: a flat list of nodes; texts stay in the document.
class MsgpackTape {
 public:
  struct Node {
    MsgpackKind kind = MsgpackKind::null;
    std::uint32_t size = 0;    // of a text; of a container: the node behind its last one
    std::uint64_t value = 0;   // number's bits, or where a text begins in the document
  };

  explicit MsgpackTape(std::string_view document) : document_(document) {}
  void clear() { nodes_.clear(); }
  void add(MsgpackKind kind, std::uint64_t value) { nodes_.push_back({kind, 0, value}); }
  /// `text` is a part of the document.
  void add_text(MsgpackKind kind, std::string_view text) {
    nodes_.push_back({kind, static_cast<std::uint32_t>(text.size()), static_cast<std::uint64_t>(text.data() - document_.data())});
  }
  std::size_t size() const { return nodes_.size(); }
  /// The container that begins at a node ends here.
  void close(std::size_t start) { nodes_[start].size = static_cast<std::uint32_t>(nodes_.size()); }
  const Node& node(std::size_t position) const { return nodes_[position]; }
  std::string_view text(const Node& node) const {
    return document_.substr(static_cast<std::size_t>(node.value), node.size);
  }

 private:
  std::string_view document_;
  std::vector<Node> nodes_;
};

/// A value of a tape, as `FieldReader` wants it.
class MsgpackValue {
 public:
  explicit MsgpackValue(const MsgpackTape& tape, std::size_t position = 0) : tape_(&tape), position_(position) {}
  MsgpackKind kind() const { return node().kind; }
  bool is_null() const { return kind() == MsgpackKind::null; }
  bool is_text() const { return kind() == MsgpackKind::text; }
  std::optional<std::string_view> text() const { return text_of(MsgpackKind::text); }
  std::optional<std::string_view> bytes() const { return text_of(MsgpackKind::bytes); }
  std::optional<std::uint64_t> unsigned_number() const;
  std::optional<std::int64_t> signed_number() const;
  std::optional<double> real_number() const;
  std::optional<bool> boolean() const;
  template <typename Use>
  bool each_element(Use&& use) const {
    if (kind() != MsgpackKind::array) return false;
    for (std::size_t i = position_ + 1; i < node().size; i = behind(i)) use(MsgpackValue(*tape_, i));
    return true;
  }
  template <typename Use>
  bool each_member(Use&& use) const {
    if (kind() != MsgpackKind::object) return false;
    for (std::size_t i = position_ + 1; i < node().size; i = behind(i + 1)) {
      use(tape_->text(tape_->node(i)), MsgpackValue(*tape_, i + 1));
    }
    return true;
  }

 private:
  const MsgpackTape::Node& node() const { return tape_->node(position_); }
  std::optional<std::string_view> text_of(MsgpackKind wanted) const;
  std::size_t behind(std::size_t position) const {
    const auto& at = tape_->node(position);
    return at.kind == MsgpackKind::array || at.kind == MsgpackKind::object ? at.size : position + 1;
  }
  const MsgpackTape* tape_;
  std::size_t position_;
};

/// Walks a MessagePack document. A subclass steps into the objects that it cares for and takes other
/// values whole, one at a time, or skips them: so memory is bounded by the largest value taken.
class MsgpackWalker {
 public:
  enum class Step { enter, take, skip };

  /// Reads the whole document. Throws `Error` (corrupt) with origin and byte offset for what is no
  /// MessagePack, text that is no UTF-8, values nested deeper than 64, or a value too large to take.
  void walk(std::string_view document, const std::string& origin);

 protected:
  ~MsgpackWalker() = default;
  /// What to do with a value. `path`: the keys that lead to it. Only objects can be entered.
  virtual Step step(const std::vector<std::string>& path, MsgpackKind kind) = 0;
  /// A value was taken; it lives until this returns.
  virtual void taken(const std::vector<std::string>& path, const MsgpackValue& value) = 0;
  /// The error for something that is wrong with the document.
  Error wrong(std::string why) const;

 private:
  class Reader;
  std::string origin_;
};

}  // namespace envtool

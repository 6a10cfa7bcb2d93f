#include "msgpack_walker.hpp"

#include <simdjson.h>

#include <bit>
#include <cstring>
#include <limits>

namespace envtool {

namespace {

constexpr std::size_t max_depth = 64;
// Nodes of one value: far beyond any record or list of removed files.
constexpr std::size_t max_nodes = std::size_t{1} << 22;

// Most texts are plain, which is quickly seen.
bool is_utf8(std::string_view text) {
  std::uint64_t all = 0, word = 0;
  const char* bytes = text.data();
  std::size_t size = text.size();
  for (; size >= 8; size -= 8, bytes += 8) {
    std::memcpy(&word, bytes, 8);
    all |= word;
  }
  word = 0;
  std::memcpy(&word, bytes, size);
  all |= word;
  return (all & 0x8080808080808080U) == 0 || simdjson::validate_utf8(text.data(), text.size());
}

}  // namespace

std::optional<std::string_view> MsgpackValue::text_of(MsgpackKind wanted) const {
  if (kind() != wanted) return {};
  return tape_->text(node());
}

std::optional<std::uint64_t> MsgpackValue::unsigned_number() const {
  if (kind() != MsgpackKind::unsigned_number) return {};
  return node().value;
}

std::optional<std::int64_t> MsgpackValue::signed_number() const {
  if (kind() == MsgpackKind::signed_number) return std::bit_cast<std::int64_t>(node().value);
  if (kind() != MsgpackKind::unsigned_number) return {};
  if (node().value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) return {};
  return static_cast<std::int64_t>(node().value);
}

std::optional<double> MsgpackValue::real_number() const {
  if (kind() != MsgpackKind::real_number) return {};
  return std::bit_cast<double>(node().value);
}

std::optional<bool> MsgpackValue::boolean() const {
  if (kind() != MsgpackKind::boolean) return {};
  return node().value != 0;
}

class MsgpackWalker::Reader {
 public:
  Reader(MsgpackWalker& walker, std::string_view document) : walker_(walker), document_(document), tape_(document) {}

  void document() {
    value(Step::enter);
    if (position_ != document_.size()) fail(position_ + 1);
  }

 private:
  // The beginning of a value.
  struct Head {
    MsgpackKind kind = MsgpackKind::null;
    std::uint64_t number = 0;  // its bits; of a container: how many elements or members
    std::string_view text;
  };

  [[noreturn]] void fail(std::size_t position) const {
    throw walker_.wrong("it is no MessagePack at byte " + std::to_string(position));
  }
  std::string_view take(std::uint64_t size) {
    if (size > document_.size() - position_)
      throw walker_.wrong("it ends too early, after byte " + std::to_string(document_.size()));
    const auto taken = document_.substr(position_, static_cast<std::size_t>(size));
    position_ += static_cast<std::size_t>(size);
    return taken;
  }
  std::uint64_t number(std::size_t size) {
    std::uint64_t value = 0;
    for (const char byte : take(size)) value = value << 8 | static_cast<unsigned char>(byte);
    return value;
  }
  static Head whole_number(std::int64_t value) {
    return {value < 0 ? MsgpackKind::signed_number : MsgpackKind::unsigned_number, static_cast<std::uint64_t>(value), {}};
  }
  Head sequence(MsgpackKind kind, std::uint64_t size) { return {kind, 0, take(size)}; }
  Head extension(std::uint64_t size) {
    take(1);  // its type says nothing to us
    return sequence(MsgpackKind::bytes, size);
  }

  Head head() {
    const auto byte = static_cast<unsigned char>(take(1).front());
    if (byte < 0x80) return {MsgpackKind::unsigned_number, byte, {}};
    if (byte < 0x90) return {MsgpackKind::object, byte & 0x0fU, {}};
    if (byte < 0xa0) return {MsgpackKind::array, byte & 0x0fU, {}};
    if (byte < 0xc0) return sequence(MsgpackKind::text, byte & 0x1fU);
    if (byte >= 0xe0) return whole_number(static_cast<std::int8_t>(byte));
    switch (byte) {
      case 0xc0: return {};
      case 0xc2: return {MsgpackKind::boolean, 0, {}};
      case 0xc3: return {MsgpackKind::boolean, 1, {}};
      case 0xc4: return sequence(MsgpackKind::bytes, number(1));
      case 0xc5: return sequence(MsgpackKind::bytes, number(2));
      case 0xc6: return sequence(MsgpackKind::bytes, number(4));
      case 0xc7: return extension(number(1));
      case 0xc8: return extension(number(2));
      case 0xc9: return extension(number(4));
      case 0xca: {
        const double real = std::bit_cast<float>(static_cast<std::uint32_t>(number(4)));
        return {MsgpackKind::real_number, std::bit_cast<std::uint64_t>(real), {}};
      }
      case 0xcb: return {MsgpackKind::real_number, number(8), {}};
      case 0xcc: return {MsgpackKind::unsigned_number, number(1), {}};
      case 0xcd: return {MsgpackKind::unsigned_number, number(2), {}};
      case 0xce: return {MsgpackKind::unsigned_number, number(4), {}};
      case 0xcf: return {MsgpackKind::unsigned_number, number(8), {}};
      case 0xd0: return whole_number(static_cast<std::int8_t>(number(1)));
      case 0xd1: return whole_number(static_cast<std::int16_t>(number(2)));
      case 0xd2: return whole_number(static_cast<std::int32_t>(number(4)));
      case 0xd3: return whole_number(static_cast<std::int64_t>(number(8)));
      case 0xd4: return extension(1);
      case 0xd5: return extension(2);
      case 0xd6: return extension(4);
      case 0xd7: return extension(8);
      case 0xd8: return extension(16);
      case 0xd9: return sequence(MsgpackKind::text, number(1));
      case 0xda: return sequence(MsgpackKind::text, number(2));
      case 0xdb: return sequence(MsgpackKind::text, number(4));
      case 0xdc: return {MsgpackKind::array, number(2), {}};
      case 0xdd: return {MsgpackKind::array, number(4), {}};
      case 0xde: return {MsgpackKind::object, number(2), {}};
      case 0xdf: return {MsgpackKind::object, number(4), {}};
      default: fail(position_);  // 0xc1 is never used
    }
  }
  std::string_view key() {
    const std::size_t begin = position_;
    const Head found = head();
    if (found.kind != MsgpackKind::text) fail(begin + 1);
    return found.text;
  }

  // Reads one value. `step`: `enter` asks the walker what to do with it.
  void value(Step step) {
    const Head found = head();
    const bool asked = step == Step::enter;
    if (asked) {
      step = walker_.step(path_, found.kind);
      tape_.clear();
    }
    if (step == Step::take) add(found);
    if (found.kind == MsgpackKind::object || found.kind == MsgpackKind::array) {
      if (++depth_ > max_depth) throw walker_.wrong("values are nested deeper than " + std::to_string(max_depth));
      members(found, step);
      --depth_;
    }
    if (asked && step == Step::take) walker_.taken(path_, MsgpackValue(tape_));
  }

  void members(const Head& found, Step step) {
    const std::size_t start = tape_.size() - 1;  // of a taken value
    if (step == Step::enter) path_.emplace_back();
    for (std::uint64_t left = found.number; left > 0; --left) {
      if (found.kind == MsgpackKind::object) {
        const auto name = key();
        if (step == Step::take) {
          add({MsgpackKind::text, 0, name});
        } else if (step == Step::enter) {
          if (!is_utf8(name)) throw walker_.wrong("a key is not UTF-8");
          path_.back().assign(name);
        }
      }
      value(step);
    }
    if (step == Step::enter) path_.pop_back();
    else if (step == Step::take) tape_.close(start);
  }

  void add(const Head& found) {
    if (tape_.size() >= max_nodes) throw walker_.wrong("a single value is too large");
    switch (found.kind) {
      case MsgpackKind::text:
        if (!is_utf8(found.text)) throw walker_.wrong("a text is not UTF-8");
        [[fallthrough]];
      case MsgpackKind::bytes: tape_.add_text(found.kind, found.text); break;
      case MsgpackKind::object:
      case MsgpackKind::array: tape_.add(found.kind, 0); break;
      default: tape_.add(found.kind, found.number);
    }
  }

  MsgpackWalker& walker_;
  std::string_view document_;
  std::size_t position_ = 0;
  std::vector<std::string> path_;  // keys of the entered objects
  std::size_t depth_ = 0;
  MsgpackTape tape_;
};

void MsgpackWalker::walk(std::string_view document, const std::string& origin) {
  origin_ = origin;
  Reader(*this, document).document();
}

Error MsgpackWalker::wrong(std::string why) const {
  return Error("channel index is not valid", ErrorKind::corrupt).at(origin_).because(std::move(why));
}

}  // namespace envtool

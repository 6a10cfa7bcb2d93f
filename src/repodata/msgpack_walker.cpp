#include "msgpack_walker.hpp"

#include <simdjson.h>

#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>

namespace envtool {

namespace {

constexpr std::size_t max_depth = 64;
// Nodes of one value: far beyond any record or list of removed files.
constexpr std::size_t max_nodes = std::size_t{1} << 22;

template <typename Number>
std::uint64_t bits(Number number) {
  static_assert(sizeof number == sizeof(std::uint64_t));
  std::uint64_t result = 0;
  std::memcpy(&result, &number, sizeof result);
  return result;
}

template <typename Number>
Number from_bits(std::uint64_t value) {
  Number result{};
  std::memcpy(&result, &value, sizeof result);
  return result;
}

}  // namespace

void MsgpackTape::add_text(MsgpackKind kind, std::string_view text) {
  nodes_.push_back({kind, static_cast<std::uint32_t>(text.size()), text_.size()});
  text_.append(text);
  text_.push_back('\0');
}

std::optional<std::string_view> MsgpackValue::text_of(MsgpackKind wanted) const {
  if (kind() != wanted) return {};
  return tape_->text(node());
}

std::optional<std::uint64_t> MsgpackValue::unsigned_number() const {
  if (kind() != MsgpackKind::unsigned_number) return {};
  return node().value;
}

std::optional<std::int64_t> MsgpackValue::signed_number() const {
  if (kind() == MsgpackKind::signed_number) return from_bits<std::int64_t>(node().value);
  if (kind() != MsgpackKind::unsigned_number) return {};
  if (node().value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) return {};
  return static_cast<std::int64_t>(node().value);
}

std::optional<double> MsgpackValue::real_number() const {
  if (kind() != MsgpackKind::real_number) return {};
  return from_bits<double>(node().value);
}

std::optional<bool> MsgpackValue::boolean() const {
  if (kind() != MsgpackKind::boolean) return {};
  return node().value != 0;
}

// What the library calls while it reads. Exceptions leave it as they are.
struct MsgpackWalker::Events {
  explicit Events(MsgpackWalker& walker, std::size_t size) : walker_(walker), size_(size) {}

  bool null() { return scalar(MsgpackKind::null, 0); }
  bool boolean(bool value) { return scalar(MsgpackKind::boolean, value ? 1 : 0); }
  bool number_integer(std::int64_t value) { return scalar(MsgpackKind::signed_number, bits(value)); }
  bool number_unsigned(std::uint64_t value) { return scalar(MsgpackKind::unsigned_number, value); }
  bool number_float(double value, const std::string&) { return scalar(MsgpackKind::real_number, bits(value)); }
  bool string(std::string& value) { return piece(MsgpackKind::text, value); }
  bool binary(nlohmann::json::binary_t& value) {
    return piece(MsgpackKind::bytes, {reinterpret_cast<const char*>(value.data()), value.size()});
  }
  bool start_object(std::size_t) { return start(MsgpackKind::object); }
  bool start_array(std::size_t) { return start(MsgpackKind::array); }
  bool end_object() { return end(); }
  bool end_array() { return end(); }
  bool key(std::string& name) {
    if (skipping_ > 0) return true;
    if (!open_.empty()) {
      // The text of all taken keys and values is checked at once; those of entered objects here.
      add_text(MsgpackKind::text, name);
      return true;
    }
    if (!simdjson::validate_utf8(name.data(), name.size())) throw walker_.wrong("a key is not UTF-8");
    path_.back().assign(name);
    return true;
  }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::json::exception&) {
    if (position > size_) throw walker_.wrong("it ends too early, after byte " + std::to_string(size_));
    throw walker_.wrong("it is no MessagePack at byte " + std::to_string(position));
  }

 private:
  void make_room() {
    if (tape_.size() >= max_nodes) throw walker_.wrong("a single value is too large");
  }
  void add_text(MsgpackKind kind, std::string_view text) {
    make_room();
    tape_.add_text(kind, text);
  }

  bool scalar(MsgpackKind kind, std::uint64_t value) {
    if (skipping_ > 0) return true;
    if (!open_.empty()) {
      make_room();
      tape_.add(kind, value);
    } else if (walker_.step(path_, kind) == Step::take) {
      tape_.clear();
      tape_.add(kind, value);
      hand_over();
    }
    return true;
  }

  bool piece(MsgpackKind kind, std::string_view text) {
    if (skipping_ > 0) return true;
    if (!open_.empty()) {
      add_text(kind, text);
    } else if (walker_.step(path_, kind) == Step::take) {
      tape_.clear();
      tape_.add_text(kind, text);
      hand_over();
    }
    return true;
  }

  bool start(MsgpackKind kind) {
    if (++depth_ > max_depth) throw walker_.wrong("values are nested deeper than " + std::to_string(max_depth));
    if (skipping_ > 0) {
      ++skipping_;
      return true;
    }
    if (open_.empty()) {
      const Step step = walker_.step(path_, kind);
      if (step == Step::enter) {
        path_.emplace_back();
        return true;
      }
      if (step == Step::skip) {
        skipping_ = 1;
        return true;
      }
      tape_.clear();
    }
    make_room();
    open_.push_back(tape_.size());
    tape_.add(kind, 0);
    return true;
  }

  bool end() {
    --depth_;
    if (skipping_ > 0) {
      --skipping_;
      return true;
    }
    if (open_.empty()) {
      path_.pop_back();
      return true;
    }
    tape_.close(open_.back());
    open_.pop_back();
    if (open_.empty()) hand_over();
    return true;
  }

  void hand_over() {
    if (!binary_only() && !simdjson::validate_utf8(tape_.all_text().data(), tape_.all_text().size())) check_texts();
    walker_.taken(path_, MsgpackValue(tape_));
  }
  bool binary_only() const { return tape_.size() == 1 && tape_.node(0).kind == MsgpackKind::bytes; }
  // Some binary values (digests) are no UTF-8 and need not be.
  void check_texts() const {
    for (std::size_t i = 0; i < tape_.size(); ++i) {
      const auto& node = tape_.node(i);
      if (node.kind != MsgpackKind::text) continue;
      const auto text = tape_.text(node);
      if (!simdjson::validate_utf8(text.data(), text.size())) throw walker_.wrong("a text is not UTF-8");
    }
  }

  MsgpackWalker& walker_;
  std::size_t size_;
  std::vector<std::string> path_;    // keys of the entered objects
  std::vector<std::size_t> open_;    // containers of the value being taken
  std::size_t skipping_ = 0;         // containers of the value being skipped
  std::size_t depth_ = 0;
  MsgpackTape tape_;
};

void MsgpackWalker::walk(std::string_view document, const std::string& origin) {
  origin_ = origin;
  Events events(*this, document.size());
  nlohmann::json::sax_parse(document.data(), document.data() + document.size(), &events,
                            nlohmann::json::input_format_t::msgpack, true);
}

Error MsgpackWalker::wrong(std::string why) const {
  return Error("channel index is not valid", ErrorKind::corrupt).at(origin_).because(std::move(why));
}

}  // namespace envtool

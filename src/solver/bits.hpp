#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace envtool {

/// A set of the candidates of one name, by their position in it.
class Bits {
 public:
  Bits() = default;
  explicit Bits(std::size_t size, bool value = false)
      : words_((size + 63) / 64, value ? ~std::uint64_t{0} : 0), size_(size) {
    if (value && size % 64 != 0) words_.back() = (std::uint64_t{1} << (size % 64)) - 1;
  }

  std::size_t size() const { return size_; }
  bool test(std::size_t i) const { return (words_[i / 64] >> (i % 64)) & 1U; }
  void set(std::size_t i) { words_[i / 64] |= std::uint64_t{1} << (i % 64); }
  void reset(std::size_t i) { words_[i / 64] &= ~(std::uint64_t{1} << (i % 64)); }
  std::size_t count() const {
    std::size_t sum = 0;
    for (auto word : words_) sum += static_cast<std::size_t>(std::popcount(word));
    return sum;
  }
  bool none() const {
    for (auto word : words_)
      if (word != 0) return false;
    return true;
  }
  bool intersects(const Bits& other) const {
    for (std::size_t i = 0; i < words_.size(); ++i)
      if ((words_[i] & other.words_[i]) != 0) return true;
    return false;
  }
  bool contains(const Bits& other) const {
    for (std::size_t i = 0; i < words_.size(); ++i)
      if ((other.words_[i] & ~words_[i]) != 0) return false;
    return true;
  }
  Bits& operator&=(const Bits& other) {
    for (std::size_t i = 0; i < words_.size(); ++i) words_[i] &= other.words_[i];
    return *this;
  }
  Bits& operator|=(const Bits& other) {
    for (std::size_t i = 0; i < words_.size(); ++i) words_[i] |= other.words_[i];
    return *this;
  }
  /// Without the members of `other`.
  Bits& subtract(const Bits& other) {
    for (std::size_t i = 0; i < words_.size(); ++i) words_[i] &= ~other.words_[i];
    return *this;
  }
  /// Position of the first member, or `size()`.
  std::size_t first() const {
    for (std::size_t i = 0; i < words_.size(); ++i)
      if (words_[i] != 0) return i * 64 + static_cast<std::size_t>(std::countr_zero(words_[i]));
    return size_;
  }
  template <typename Function>
  void for_each(Function&& function) const {
    for (std::size_t i = 0; i < words_.size(); ++i)
      for (auto word = words_[i]; word != 0; word &= word - 1)
        function(i * 64 + static_cast<std::size_t>(std::countr_zero(word)));
  }
  bool operator==(const Bits& other) const = default;

 private:
  std::vector<std::uint64_t> words_;
  std::size_t size_ = 0;
};

}  // namespace envtool

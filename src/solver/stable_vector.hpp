#pragma once

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

namespace envtool::solving {

/// Grows at its end like `std::deque`, elements stay where they are, but with pieces that are large
/// enough to cost next to nothing.
template <typename Value, unsigned piece_bits>
class StableVector {
 public:
  std::size_t size() const { return size_; }
  Value& operator[](std::size_t i) { return pieces_[i >> piece_bits][i & mask]; }
  const Value& operator[](std::size_t i) const { return pieces_[i >> piece_bits][i & mask]; }
  Value& emplace_back() {
    if ((size_ & mask) == 0) pieces_.emplace_back().reserve(mask + 1);
    ++size_;
    return pieces_.back().emplace_back();
  }

 private:
  static constexpr std::size_t mask = (std::size_t{1} << piece_bits) - 1;
  std::vector<std::vector<Value>> pieces_;
  std::size_t size_ = 0;
};

}  // namespace envtool::solving

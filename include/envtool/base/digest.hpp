#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace envtool {

/// A fixed-size digest. `Digest<32>` is SHA-256, `Digest<16>` MD5.
template <std::size_t Size>
struct Digest {
  std::array<std::uint8_t, Size> bytes{};

  /// From lower- or upper-case hex; nothing when length or characters are wrong.
  static std::optional<Digest> parse(std::string_view hex);
  /// Lower-case hex.
  std::string hex() const;
  auto operator<=>(const Digest&) const = default;
};

using Sha256 = Digest<32>;
using Md5 = Digest<16>;
extern template struct Digest<32>;
extern template struct Digest<16>;

/// Incremental hashing of one stream.
template <typename DigestType>
class Hasher {
 public:
  Hasher();
  ~Hasher();
  Hasher(Hasher&&) noexcept;
  Hasher& operator=(Hasher&&) noexcept;
  void update(const void* data, std::size_t size);
  void update(std::string_view text) { update(text.data(), text.size()); }
  /// The digest; the hasher starts anew afterwards.
  DigestType finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

extern template class Hasher<Sha256>;
extern template class Hasher<Md5>;

Sha256 sha256(std::string_view data);
Md5 md5(std::string_view data);

}  // namespace envtool

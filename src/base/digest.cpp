#include "envtool/base/digest.hpp"

#include <openssl/evp.h>

#include <type_traits>

#include "envtool/base/error.hpp"

namespace envtool {
namespace {

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/// Fetched once: looking an algorithm up costs more than hashing a small file.
template <typename DigestType>
const EVP_MD* algorithm() {
  static_assert(std::is_same_v<DigestType, Sha256> || std::is_same_v<DigestType, Md5>);
  constexpr bool is_sha256 = std::is_same_v<DigestType, Sha256>;
  static const EVP_MD* fetched = EVP_MD_fetch(nullptr, is_sha256 ? "SHA256" : "MD5", nullptr);
  if (fetched == nullptr) {
    throw Error(std::string("the digest algorithm ") + (is_sha256 ? "SHA-256" : "MD5") + " is not available")
        .because("OpenSSL does not offer it (a FIPS configuration?)");
  }
  return fetched;
}

void require(int outcome) {
  if (outcome != 1) throw Error("computing a digest failed", ErrorKind::internal);
}

}  // namespace

template <std::size_t Size>
std::optional<Digest<Size>> Digest<Size>::parse(std::string_view hex) {
  if (hex.size() != 2 * Size) return std::nullopt;
  Digest digest;
  for (std::size_t i = 0; i < Size; ++i) {
    const int high = hex_value(hex[2 * i]);
    const int low = hex_value(hex[2 * i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    digest.bytes[i] = static_cast<std::uint8_t>(high * 16 + low);
  }
  return digest;
}

template <std::size_t Size>
std::string Digest<Size>::hex() const {
  static constexpr char digits[] = "0123456789abcdef";
  std::string out;
  out.reserve(2 * Size);
  for (const std::uint8_t byte : bytes) {
    out += digits[byte >> 4];
    out += digits[byte & 15];
  }
  return out;
}

template <typename DigestType>
struct Hasher<DigestType>::State {
  State() : context(EVP_MD_CTX_new()) {
    if (context == nullptr) throw Error("computing a digest failed", ErrorKind::internal);
    restart();
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() { EVP_MD_CTX_free(context); }
  void restart() { require(EVP_DigestInit_ex2(context, algorithm<DigestType>(), nullptr)); }
  EVP_MD_CTX* context;
};

template <typename DigestType>
Hasher<DigestType>::Hasher() : state_(std::make_unique<State>()) {}
template <typename DigestType>
Hasher<DigestType>::~Hasher() = default;
template <typename DigestType>
Hasher<DigestType>::Hasher(Hasher&&) noexcept = default;
template <typename DigestType>
Hasher<DigestType>& Hasher<DigestType>::operator=(Hasher&&) noexcept = default;

template <typename DigestType>
void Hasher<DigestType>::update(const void* data, std::size_t size) {
  require(EVP_DigestUpdate(state_->context, data, size));
}

template <typename DigestType>
DigestType Hasher<DigestType>::finish() {
  DigestType digest;
  require(EVP_DigestFinal_ex(state_->context, digest.bytes.data(), nullptr));
  state_->restart();
  return digest;
}

template struct Digest<32>;
template struct Digest<16>;
template class Hasher<Sha256>;
template class Hasher<Md5>;

Sha256 sha256(std::string_view data) {
  Hasher<Sha256> hasher;
  hasher.update(data);
  return hasher.finish();
}

Md5 md5(std::string_view data) {
  Hasher<Md5> hasher;
  hasher.update(data);
  return hasher.finish();
}

}  // namespace envtool

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "envtool/base/digest.hpp"
#include "envtool/os/files.hpp"

namespace envtool {

/// Which digests a `PartFile` keeps while it is written.
struct DigestChoice {
  bool sha256 = false;
  bool md5 = false;
};

/// The file that a body grows in, next to its target: `<target>.part`, locked against other
/// processes, with `<target>.part.info` naming what it is a part of. Whoever finds the part locked
/// gets a file of a random name instead, which does not outlive the transfer.
class PartFile {
 public:
  /// Opens or creates it; what an earlier transfer left is kept when `resume`. Throws `Error`.
  PartFile(std::string target, bool resume, DigestChoice digests);
  /// A part of random name is removed; `<target>.part` stays for the next try.
  ~PartFile();
  PartFile(const PartFile&) = delete;
  PartFile& operator=(const PartFile&) = delete;

  /// Bytes in the file.
  std::uint64_t size() const { return size_; }
  /// The URL and validator that the content came with (`remember`), empty when unknown.
  const std::string& source_url() const { return source_url_; }
  const std::string& validator() const { return validator_; }

  /// Empties the file.
  void restart();
  /// Stores where the following content comes from.
  void remember(const std::string& url, const std::string& validator);
  /// Throws `Error` (no_space, ...).
  void append(const char* data, std::size_t size);

  /// Digests of the whole content, if chosen; what was there before this object is read once.
  const Sha256& sha256();
  const Md5& md5();
  /// The first bytes, for messages.
  std::string beginning(std::size_t limit) const;

  /// Renames it over the target. Nothing may be appended afterwards.
  void commit();
  /// Removes it.
  void discard();

 private:
  bool open_shared(bool resume);
  void hash_existing();
  void hash(const char* data, std::size_t size);

  DigestChoice digests_;
  std::string target_, path_;
  std::string source_url_, validator_;
  FileDescriptor file_;
  std::uint64_t size_ = 0;
  std::uint64_t hashed_ = 0;
  bool shared_name_ = false;
  bool info_written_ = false;
  Hasher<Sha256> sha256_hasher_;
  Hasher<Md5> md5_hasher_;
  std::optional<Sha256> sha256_;
  std::optional<Md5> md5_;
};

}  // namespace envtool

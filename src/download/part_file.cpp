#include "part_file.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <vector>

#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"

namespace envtool {

namespace {

bool same_file(int fd, const std::string& path) {
  struct stat opened{}, named{};
  return fstat(fd, &opened) == 0 && lstat(path.c_str(), &named) == 0 && opened.st_dev == named.st_dev &&
         opened.st_ino == named.st_ino;
}

bool lock_without_waiting(int fd) {
  struct flock lock{};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  return fcntl(fd, F_OFD_SETLK, &lock) == 0;
}

std::string info_path(const std::string& part) { return part + ".info"; }

}  // namespace

PartFile::PartFile(std::string target, bool resume, DigestChoice digests)
    : digests_(digests), target_(std::move(target)) {
  if (!open_shared(resume)) {
    path_ = target_ + "." + random_name() + ".part";
    file_ = FileDescriptor(open(path_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644));
    if (!file_) throw system_error("cannot create file", errno).at(path_);
  }
}

// True when `<target>.part` is ours alone. Another process may rename the file over its target
// between our open and our lock, so the descriptor is compared with the name after locking.
bool PartFile::open_shared(bool resume) {
  path_ = target_ + ".part";
  for (int attempt = 0; attempt < 3; ++attempt) {
    FileDescriptor file(open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0644));
    if (!file) {
      if (errno == ELOOP || errno == ENXIO) return false;
      throw system_error("cannot create file", errno).at(path_);
    }
    struct stat status{};
    if (fstat(file.get(), &status) != 0) throw system_error("cannot read file", errno).at(path_);
    if (!S_ISREG(status.st_mode) || !lock_without_waiting(file.get())) return false;
    if (!same_file(file.get(), path_)) continue;
    file_ = std::move(file);
    shared_name_ = true;
    const auto info = read_file_if_exists(info_path(path_), 16384);
    info_written_ = info.has_value();
    size_ = static_cast<std::uint64_t>(status.st_size);
    if (resume && info) {
      const auto lines = split_lines(*info);
      if (lines.size() >= 2) {
        source_url_ = lines[0];
        validator_ = lines[1];
      }
    }
    if (!resume || source_url_.empty()) restart();
    return true;
  }
  return false;
}

PartFile::~PartFile() {
  const bool keep = shared_name_ && size_ > 0;
  if (file_ && !keep) {
    unlink(path_.c_str());
    if (info_written_) unlink(info_path(path_).c_str());
  }
}

void PartFile::restart() {
  if (size_ > 0 && ftruncate(file_.get(), 0) != 0) throw system_error("cannot empty file", errno).at(path_);
  size_ = hashed_ = 0;
  sha256_hasher_ = {};
  md5_hasher_ = {};
  sha256_.reset();
  md5_.reset();
  source_url_.clear();
  validator_.clear();
}

void PartFile::remember(const std::string& url, const std::string& validator) {
  if (!shared_name_ || (source_url_ == url && validator_ == validator)) return;
  source_url_ = url;
  validator_ = validator;
  write_atomically(info_path(path_), url + "\n" + validator + "\n");
  info_written_ = true;
}

void PartFile::append(const char* data, std::size_t size) {
  hash_existing();
  hash(data, size);
  while (size > 0) {
    const ssize_t written = pwrite(file_.get(), data, size, static_cast<off_t>(size_));
    if (written < 0) {
      if (errno == EINTR) continue;
      const int error_number = errno;
      // A part that fills the disk must not stay and keep it full.
      if (error_number == ENOSPC || error_number == EDQUOT) discard();
      throw system_error("cannot write file", error_number).at(path_);
    }
    const auto count = static_cast<std::size_t>(written);
    size_ += count;
    hashed_ = size_;
    data += count;
    size -= count;
  }
}

void PartFile::hash(const char* data, std::size_t size) {
  if (digests_.sha256) sha256_hasher_.update(data, size);
  if (digests_.md5) md5_hasher_.update(data, size);
}

void PartFile::hash_existing() {
  if (!digests_.sha256 && !digests_.md5) return;
  std::vector<char> buffer(hashed_ < size_ ? 1 << 18 : 0);
  while (hashed_ < size_) {
    const ssize_t count = pread(file_.get(), buffer.data(), buffer.size(), static_cast<off_t>(hashed_));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw system_error("cannot read file", errno).at(path_);
    if (count == 0) throw Error("file became shorter while it was read").at(path_);
    hash(buffer.data(), static_cast<std::size_t>(count));
    hashed_ += static_cast<std::uint64_t>(count);
  }
}

const Sha256& PartFile::sha256() {
  hash_existing();
  if (!sha256_) sha256_ = sha256_hasher_.finish();
  return *sha256_;
}

const Md5& PartFile::md5() {
  hash_existing();
  if (!md5_) md5_ = md5_hasher_.finish();
  return *md5_;
}

std::string PartFile::beginning(std::size_t limit) const {
  std::string text(limit, '\0');
  const ssize_t count = pread(file_.get(), text.data(), text.size(), 0);
  text.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
  return text;
}

void PartFile::commit() {
  rename_path(path_, target_);
  if (info_written_) remove_file(info_path(path_));
  file_.reset();
}

void PartFile::discard() {
  remove_file(path_);
  if (info_written_) remove_file(info_path(path_));
  file_.reset();
}

}  // namespace envtool

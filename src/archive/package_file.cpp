#include "package_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"
#include "member_path.hpp"

namespace envtool {

PackageFile::PackageFile(std::string path)
    : path_(std::move(path)), fd_(::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {
  if (!fd_) throw system_error("cannot open the package archive", errno).at(path_);
  struct stat status{};
  if (::fstat(fd_.get(), &status) != 0) throw system_error("cannot read the package archive", errno).at(path_);
  if (!S_ISREG(status.st_mode)) throw_corrupt(path_, "it is not a regular file");
  size_ = static_cast<std::uint64_t>(status.st_size);

  const std::string start = read({0, size_ < 512 ? size_ : 512});
  if (start.starts_with("PK\x03\x04")) {
    kind_ = Kind::conda;
  } else if (start.starts_with("BZh")) {
    kind_ = Kind::tar_bz2;
  } else {
    const std::string text = to_lower(strip(start));
    if (text.starts_with("<!doctype") || text.starts_with("<html"))
      throw Error("the package archive is a web page", ErrorKind::corrupt)
          .at(path_)
          .because("a server or proxy answered with HTML instead of the package")
          .hint("is there a login page between you and the channel?");
    throw_corrupt(path_, size_ == 0 ? "it is empty" : "it is neither a zip nor a bzip2 file");
  }
  const char* extension = kind_ == Kind::conda ? ".conda" : ".tar.bz2";
  if (!path_.ends_with(extension))
    throw_corrupt(path_, std::string("its content is that of a `") + extension + "` file, its name says otherwise");
}

void PackageFile::read(std::uint64_t offset, void* buffer, std::size_t size) const {
  auto* out = static_cast<char*>(buffer);
  while (size > 0) {
    const ssize_t got = ::pread(fd_.get(), out, size, static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw system_error("cannot read the package archive", errno).at(path_);
    if (got == 0) throw_corrupt(path_, "the file ends too early");
    out += got;
    offset += static_cast<std::uint64_t>(got);
    size -= static_cast<std::size_t>(got);
  }
}

std::string PackageFile::read(FileRange range) const {
  std::string text(static_cast<std::size_t>(range.size), '\0');
  read(range.offset, text.data(), text.size());
  return text;
}

}  // namespace envtool

#pragma once

#include <memory>
#include <stop_token>
#include <string>

#include "envtool/os/file_lock.hpp"

namespace envtool {

/// The places within one cache folder.
struct CacheFolder {
  std::string path;

  std::string entry(const std::string& name) const { return path + "/" + name; }
  /// Everything that is not a package yet, or not any more; same file system.
  std::string temporary() const { return path + "/.tmp"; }
  std::string locks() const { return path + "/.locks"; }
  std::string package_lock(const std::string& file_name) const { return locks() + "/" + file_name + ".lock"; }
  /// Shared by all who use packages, exclusive for who removes some.
  std::string cleaning_lock() const { return locks() + "/.cleaning"; }

  /// True when the folder exists and this process may write there.
  bool is_writable() const;
  /// Creates what is missing and conda's marker files. False when the folder cannot be written.
  bool prepare() const;
  /// Adds a line to `urls.txt`, where conda looks up where an archive came from. Failing is harmless.
  void append_url(const std::string& url) const;
  /// Renames something into `.tmp` and removes it there, so that it vanishes at once.
  void discard(const std::string& path) const;
  /// Removes what dead processes left in `.tmp` more than a day ago.
  void remove_old_leftovers() const;
};

/// Keeps other processes from cleaning the cache while it lives. Nothing where the cache is read-only or
/// locks do not work (a lock only saves from a race that `clean` makes rare).
std::shared_ptr<const void> take_lease(const CacheFolder& folder, const std::stop_token& stop);

}  // namespace envtool

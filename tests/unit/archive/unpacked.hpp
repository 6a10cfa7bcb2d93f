#pragma once

#include <catch2/catch.hpp>

#include <functional>
#include <string>

#include "envtool/archive/extract.hpp"
#include "envtool/base/error.hpp"
#include "envtool/os/files.hpp"
#include "package_builder.hpp"

namespace envtool::test {

/// A sandbox: `box/` is what unpacking may write to, everything else in `outer` has to stay as it is.
struct Sandbox {
  TemporaryDirectory outer{"/tmp", "envtool-archive-"};
  std::string archive(const std::string& name, const std::string& bytes) const {
    const std::string path = outer.path() + "/" + name;
    remove_file(path);
    write_new_file(path, bytes);
    return path;
  }
  std::string box() const {
    const std::string path = outer.path() + "/deep/er/box";
    remove_tree(path);
    make_directories(path);
    return path;
  }
};

/// The kind of the error that a call throws; nothing when it returns.
inline std::optional<ErrorKind> error_kind_of(const std::function<void()>& call, std::string* text = nullptr) {
  try {
    call();
  } catch (const Error& error) {
    if (text != nullptr) *text = error.what();
    return error.kind();
  }
  return std::nullopt;
}

inline const ExtractedEntry* find_entry(const std::vector<ExtractedEntry>& entries, const std::string& path) {
  for (const ExtractedEntry& entry : entries)
    if (entry.path == path) return &entry;
  return nullptr;
}

}  // namespace envtool::test

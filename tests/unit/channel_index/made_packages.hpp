#pragma once

#include <catch2/catch.hpp>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "../archive/package_builder.hpp"
#include "envtool/base/digest.hpp"
#include "envtool/channel_index/channel_index.hpp"
#include "envtool/os/files.hpp"

namespace envtool::test {

using TestJson = nlohmann::json;

/// `info/index.json` of a small package; `more` is merged into it.
inline TestJson index_json(const std::string& name, const std::string& version, const TestJson& more = TestJson::object()) {
  TestJson index{{"name", name},           {"version", version}, {"build", "0"},       {"build_number", 0},
                 {"depends", {"python"}}, {"subdir", "noarch"}, {"noarch", "generic"}, {"timestamp", 1'600'000'000'000}};
  if (more.is_object()) index.update(more);
  return index;
}

/// A channel in a folder of its own.
struct MadeChannel {
  TemporaryDirectory folder{"/tmp", "envtool-index-"};
  std::string path(const std::string& relative = "") const { return folder.path() + (relative.empty() ? "" : "/" + relative); }

  void put(const std::string& relative, const std::string& bytes) const {
    if (const auto slash = relative.rfind('/'); slash != std::string::npos) make_directories(path(relative.substr(0, slash)));
    remove_file(path(relative));
    write_new_file(path(relative), bytes);
  }
  /// Puts `noarch/NAME-VERSION-0.conda` (or `.tar.bz2`) there and gives its bytes.
  std::string add(const std::string& name, const std::string& version, const TestJson& more = TestJson::object(),
                  const std::vector<Member>& files = {}, const std::string& extension = ".conda") const {
    const TestJson index = index_json(name, version, more);
    std::vector<Member> members{file("info/index.json", index.dump())};
    members.insert(members.end(), files.begin(), files.end());
    const std::string dist = name + "-" + version + "-0";
    const std::string bytes = extension == ".conda" ? conda_bytes(dist, members) : tar_bz2_bytes(members);
    put(index["subdir"].get<std::string>() + "/" + dist + extension, bytes);
    return bytes;
  }
  TestJson document(const std::string& relative) const { return TestJson::parse(read_file(path(relative))); }

  ChannelIndexRequest request(std::uint64_t now = 1'700'000'000'000) const {
    ChannelIndexRequest made;
    made.channel = path();
    made.now = std::chrono::system_clock::time_point(std::chrono::milliseconds(now));
    made.lock_timeout = std::chrono::milliseconds(0);
    made.jobs = 2;
    return made;
  }
  ChannelIndexResult index(std::uint64_t now = 1'700'000'000'000) const { return index(request(now)); }
  ChannelIndexResult index(const ChannelIndexRequest& made) const {
    ChannelIndexReporter reporter;
    return index_channel(made, reporter);
  }
};

}  // namespace envtool::test

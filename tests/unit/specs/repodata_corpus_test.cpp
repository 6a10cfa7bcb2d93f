#include <zstd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <set>

#include "envtool/base/error.hpp"
#include "envtool/specs/match_spec.hpp"
#include "envtool/specs/package_name.hpp"

using namespace envtool;

namespace {

std::string decompressed(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string packed((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  std::string out;
  std::string chunk(ZSTD_DStreamOutSize(), '\0');
  ZSTD_DStream* stream = ZSTD_createDStream();
  ZSTD_inBuffer in = {packed.data(), packed.size(), 0};
  while (in.pos < in.size) {
    ZSTD_outBuffer piece = {chunk.data(), chunk.size(), 0};
    if (ZSTD_isError(ZSTD_decompressStream(stream, &piece, &in)) != 0) {
      break;
    }
    out.append(chunk, 0, piece.pos);
  }
  ZSTD_freeDStream(stream);
  return out;
}

}  // namespace

TEST_CASE("every dependency of real channels is read and printed faithfully", "[match_spec][data]") {
  const std::filesystem::path channels = std::filesystem::path(ENVTOOL_SHARED_DATA) / "channels";
  if (!std::filesystem::is_directory(channels)) {
    WARN("skipped: " << channels << " is not there");
    return;
  }
  std::set<std::string> specs, versions;
  std::set<std::string> names, builds;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(channels)) {
    if (!entry.path().string().ends_with("repodata.json.zst")) {
      continue;
    }
    const nlohmann::json repodata = nlohmann::json::parse(decompressed(entry.path()));
    for (const char* section : {"packages", "packages.conda"}) {
      if (!repodata.contains(section)) {
        continue;
      }
      for (const auto& [file, record] : repodata[section].items()) {
        for (const char* field : {"depends", "constrains"}) {
          if (record.contains(field)) {
            for (const auto& text : record[field]) {
              specs.insert(text.get<std::string>());
            }
          }
        }
        versions.insert(record["version"].get<std::string>());
        names.insert(record["name"].get<std::string>());
        builds.insert(record["build"].get<std::string>());
      }
    }
  }
  REQUIRE(specs.size() > 1000);
  std::size_t failures = 0;
  for (const std::string& text : specs) {
    try {
      const MatchSpec spec = MatchSpec::parse(text);
      if (MatchSpec::parse(spec.str()) == spec && MatchSpec::parse(spec.dependency_str()) == spec) {
        continue;
      }
      FAIL_CHECK("not printed faithfully: " << text);
    } catch (const Error& error) {
      FAIL_CHECK(error.what());
    }
    ++failures;
  }
  for (const std::string& text : versions) {
    INFO(text);
    CHECK_NOTHROW(Version::parse(text));
    CHECK(is_valid_version_string(text));
  }
  for (const std::string& text : names) {
    INFO(text);
    CHECK(is_valid_package_name(text));
  }
  for (const std::string& text : builds) {
    INFO(text);
    CHECK(is_valid_build_string(text));
  }
  std::cout << "real channels: " << specs.size() - failures << " of " << specs.size()
            << " distinct dependencies and " << versions.size() << " versions hold\n";
}

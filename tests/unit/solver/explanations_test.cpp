// What a user reads when a request has no solution: each file of tests/data/solver/explanations is a
// small world (or real channel data), a request, and below a line `----` the text as it is shown.
// With ENVTOOL_ACCEPT_GOLDEN=1 the texts are written anew, for a person to read and commit.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

#include "channel_data.hpp"
#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"
#include "scenario.hpp"

using namespace envtool;
using namespace envtool::test;

namespace {

const std::filesystem::path folder = ENVTOOL_TEST_DATA "/solver/explanations";

std::string read_text(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

/// One file. Lines of the world: `channel NAME`, `package NAME VERSION[,VERSION...] [BUILD]` with
/// `; needs SPEC`, `; allows SPEC`, `; tracks FEATURE`, `; number N`, `; time N`, `; size N`,
/// `; group NAME SPEC`, `installed ...` (as `package`), `real CHANNEL[,CHANNEL] PLATFORM`. Of the request: `want`, `pin`,
/// `freeze NAME|*`, `update NAME`, `remove NAME`, `machine NAME VERSION [BUILD]`, `machine usual [cuda]`,
/// `priority strict|flexible|disabled`, `not-after TIME`, `no-deps`.
class Golden {
 public:
  explicit Golden(const std::filesystem::path& path) : path_(path) {
    const std::string text = read_text(path);
    const auto cut = text.find("----\n");
    given_ = text.substr(0, cut);
    if (cut != std::string::npos) expected_ = text.substr(cut + 5);
  }

  bool is_real() const { return given_.find("\nreal ") != std::string::npos || given_.starts_with("real "); }

  std::string explanation(ChannelData* data) {
    std::string shown;
    try {
      shown = solve_given(data);
    } catch (const Error& error) {
      shown = std::string("ERROR: ") + error.what() + "\n";
    }
    return shown;
  }

  void accept(const std::string& shown) const { std::ofstream(path_, std::ios::binary) << given_ << "----\n" << shown; }
  const std::string& expected() const { return expected_; }

 private:
  std::string solve_given(ChannelData* data) {
    for (const auto view : split_lines(given_)) {
      const std::string line(strip(view));
      if (line.empty() || line.starts_with("#")) continue;
      const auto space = line.find(' ');
      take(line.substr(0, space), space == std::string::npos ? "" : std::string(strip(line.substr(space))));
    }
    CandidateIndex index;
    if (is_real()) index = data->index(real_channels_, platform_);
    else world_.fill(index);
    SolveRequest& request = world_.request;
    request.candidates = &index;
    if (usual_) {
      auto machine = usual_virtual_packages(platform_.empty() ? "linux-64" : platform_, cuda_);
      std::erase_if(machine, [&](const auto& p) { return said_.count(p.name) != 0; });
      request.virtual_packages.insert(request.virtual_packages.end(), machine.begin(), machine.end());
    }
    const auto result = solve(request);
    if (const auto* unsolvable = std::get_if<Unsolvable>(&result)) {
      std::string shown = headline(*unsolvable) + "\n" + explain(*unsolvable) + "\n";
      for (const auto& suggestion : unsolvable->suggestions) shown += "=> " + suggestion.text + "\n";
      return shown;
    }
    std::string shown = "SOLVED:";
    for (const auto& package : std::get<Solution>(result).packages) shown += " " + package.record->dist();
    return shown + "\n";
  }

  void take(const std::string& key, const std::string& value) {
    SolveRequest& request = world_.request;
    if (key == "channel") channel_ = channels_++ == 0 ? world_.rename_main(value) : world_.channel(value);
    else if (key == "package" || key == "installed") take_package(key, value);
    else if (key == "want") request.specs.push_back(MatchSpec::parse(value));
    else if (key == "pin") request.pins.push_back(MatchSpec::parse(value));
    else if (key == "freeze" && value == "*") request.installed.freeze_all = true;
    else if (key == "freeze") request.installed.freeze.push_back(value);
    else if (key == "update") request.installed.update.push_back(value);
    else if (key == "remove") request.installed.remove.push_back(value);
    else if (key == "not-after") request.options.exclude_newer_ms = std::stoull(value);
    else if (key == "no-deps") request.options.dependencies = DependencyMode::none;
    else if (key == "priority")
      request.options.channel_priority = value == "strict"     ? ChannelPriority::strict
                                         : value == "flexible" ? ChannelPriority::flexible
                                                               : ChannelPriority::disabled;
    else if (key == "machine" && value.starts_with("usual")) usual_ = true, cuda_ = value.ends_with("cuda");
    else if (key == "machine") {
      const auto words = split_whitespace(value);
      world_.offer(std::string(words.at(0)), std::string(words.at(1)), words.size() > 2 ? std::string(words[2]) : "0");
      said_.insert(std::string(words.at(0)));
    } else if (key == "real") {
      const auto words = split_whitespace(value);
      for (const auto name : split(words.at(0), ',')) real_channels_.emplace_back(name);
      platform_ = words.at(1);
    } else {
      throw std::runtime_error(path_.string() + ": unknown line `" + key + "`");
    }
  }

  void take_package(const std::string& key, const std::string& value) {
    const auto parts = split(value, ';');
    const auto words = split_whitespace(parts.at(0));
    for (const auto version : split(words.at(1), ',')) {
      std::string what = std::string(words[0]) + " " + std::string(version);
      if (words.size() > 2) what += " " + std::string(words[2]);
      RepoDataRecord& record = key == "package" ? world_.add(what, {}, {}, channel_) : world_.install(what);
      for (std::size_t i = 1; i < parts.size(); ++i) {
        const std::string part(strip(parts[i]));
        const std::string name = part.substr(0, part.find(' '));
        const std::string said = part.substr(part.find(' ') + 1);
        if (name == "needs") record.depends.push_back(said);
        else if (name == "allows") record.constrains.push_back(said);
        else if (name == "tracks") record.track_features.push_back(said);
        else if (name == "number") record.build_number = std::stoull(said);
        else if (name == "time") record.timestamp = std::stoull(said);
        else if (name == "size") record.size = std::stoull(said);
        else if (name == "group")
          record.extra_depends.push_back({said.substr(0, said.find(' ')), {said.substr(said.find(' ') + 1)}});
        else throw std::runtime_error(path_.string() + ": unknown part `" + name + "`");
      }
    }
  }

  std::filesystem::path path_;
  std::string given_, expected_, platform_;
  std::vector<std::string> real_channels_;
  std::set<std::string> said_;
  Scenario world_;
  std::uint32_t channel_ = 0;
  int channels_ = 0;
  bool usual_ = false, cuda_ = false;
};

void check(bool real) {
  const bool accept = std::getenv("ENVTOOL_ACCEPT_GOLDEN") != nullptr;
  const char* only = std::getenv("ENVTOOL_GOLDEN");  // part of a file name
  ChannelData data(ENVTOOL_SHARED_DATA);
  if (real && !data.available()) {
    WARN("SKIPPED: no channel data at " ENVTOOL_SHARED_DATA);
    return;
  }
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  int checked = 0;
  for (const auto& file : files) {
    if (only != nullptr && file.string().find(only) == std::string::npos) continue;
    INFO(file.filename().string());
    Golden golden(file);
    if (golden.is_real() != real) continue;
    ++checked;
    const std::string shown = golden.explanation(&data);
    if (accept) golden.accept(shown);
    else CHECK(shown == golden.expected());
  }
  if (only == nullptr) CHECK(checked >= (real ? 8 : 30));
}

}  // namespace

TEST_CASE("the explanation of each kind of failure reads as agreed", "[solver][explain]") { check(false); }

TEST_CASE("explanations on real channel data read as agreed", "[.][real]") { check(true); }

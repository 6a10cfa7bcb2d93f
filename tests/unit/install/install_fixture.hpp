#pragma once

#include <map>
#include <string>
#include <vector>

#include "envtool/install/installer.hpp"
#include "envtool/os/files.hpp"
#include "envtool/transaction/link_plan.hpp"

namespace envtool::test {

inline constexpr const char* placeholder =
    "/home/conda/feedstock_root/build_artifacts/thing_1700000000000/_h_env_placehold_placehold_placehold_placehold";

/// True in worker processes: the packages are there already and only described, so that faults hit the
/// library and not the test.
bool is_prebuilt();

/// Makes an unpacked package in a cache folder, one line a file.
class PackageBuilder {
 public:
  PackageBuilder(std::string cache, std::string name, std::string version = "1.0", std::string build = "0");

  PackageBuilder& depends(std::string spec);
  PackageBuilder& noarch_python();
  PackageBuilder& entry_point(std::string command, std::string module, std::string function);
  PackageBuilder& file(const std::string& path, const std::string& content, mode_t mode = 0644);
  /// With the placeholder in it.
  PackageBuilder& text(const std::string& path, const std::string& content, mode_t mode = 0644);
  PackageBuilder& binary(const std::string& path, const std::string& content, mode_t mode = 0755);
  PackageBuilder& no_link(const std::string& path, const std::string& content);
  PackageBuilder& link(const std::string& path, const std::string& target);
  PackageBuilder& folder(const std::string& path);
  PackageSource build() const { return source_; }
  operator PackageSource() const { return source_; }

 private:
  PathEntry& add(const std::string& path, const std::string& content, mode_t mode);
  PackageSource source_;
};

/// What is in a folder, read without any code of envtool: path to `type mode digest` or `link text`.
/// Leaves out what envtool keeps for itself (but the parked files), and history, revisions and generation,
/// which differ by time.
using Manifest = std::map<std::string, std::string>;
Manifest manifest(const std::string& folder);
/// The first difference in words, or empty.
std::string difference(const Manifest& expected, const Manifest& actual);

/// A change from the packages that are installed to `wanted`, planned.
LinkPlan plan_for(const Prefix& prefix, const std::vector<PackageSource>& wanted, const LinkPlanOptions& options = {},
                  const std::vector<std::string>& reinstall = {});
/// Creates or changes the prefix so that it has these packages.
InstallResult install(const Prefix& prefix, const std::vector<PackageSource>& wanted, const InstallOptions& options = {},
                      LinkPlanOptions plan_options = {}, const std::vector<std::string>& reinstall = {});

std::string slurp(const std::string& path);
void spit(const std::string& path, const std::string& content);

/// Runs a hidden test case of this program in a process of its own, with these variables set.
/// Returns the exit code, or 128 + signal.
int run_worker(const std::string& test_case, const std::map<std::string, std::string>& variables);

}  // namespace envtool::test

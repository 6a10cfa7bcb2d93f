#pragma once

#include <functional>
#include <string>
#include <utility>

#include "envtool/app/reporter.hpp"
#include "envtool/repodata/repodata_gateway.hpp"

namespace envtool::detail {

/// Passes a gateway's news on; what becomes of its warnings is the caller's choice.
class RepoDataNews : public RepoDataReporter {
 public:
  using Warn = std::function<void(const std::string&)>;
  RepoDataNews(AppReporter& reporter, Warn warn) : reporter_(reporter), warn_(std::move(warn)) {}
  void on_fetch_start(const std::string& url) override { reporter_.on_repodata_fetch(url); }
  void on_warning(const std::string& text) override { warn_(text); }
  void on_lock_wait(const std::string& url, const std::string& holder) override {
    reporter_.on_warning("waiting for " + holder + ", which fetches " + url);
  }

 private:
  AppReporter& reporter_;
  Warn warn_;
};

}  // namespace envtool::detail

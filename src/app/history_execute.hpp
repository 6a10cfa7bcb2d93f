#pragma once

#include <optional>
#include <vector>

#include "envtool/app/history.hpp"
#include "envtool/transaction/link_plan.hpp"

namespace envtool::detail {

/// Every record that is installed, as the plan's transaction knows it.
std::vector<PrefixRecord> installed_records(const Transaction& transaction);

/// The environment after the plan, its pip packages as they are before pip runs.
EnvironmentState state_after(const Plan& plan, const Transaction& transaction, const EnvironmentState& before);

/// Adds the pip packages that go and come back to the files that change.
void add_pip_files(LinkPlan& links, const Plan& plan, const Restoration& restoration);

/// Writes down which pip packages there are now. `expected` is the number of revisions that belongs to the change;
/// when another process has made one since, that one is left alone. `alone` is set for a change of pip packages
/// alone, with the environment as it was before: it becomes a revision when something differs.
struct PipChange {
  HistoryEntry entry;
  EnvironmentState found;
};
void record_pip(const AppInputs& inputs, const Prefix& prefix, PrefixLock& lock, std::size_t expected, const PipChange* alone);

}  // namespace envtool::detail

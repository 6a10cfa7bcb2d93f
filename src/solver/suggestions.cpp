#include "suggestions.hpp"

#include <algorithm>
#include <set>

#include "envtool/base/error.hpp"
#include "envtool/records/record_queries.hpp"
#include "explanation.hpp"
#include "spec_texts.hpp"

namespace envtool::solving {
namespace {

using Kind = Suggestion::Kind;

bool is_virtual(std::string_view name) { return name.starts_with("__"); }

std::string quoted(const std::string& text) { return "`" + text + "`"; }

const RepoDataRecord* find(const Solution& solution, std::string_view name) {
  for (const auto& package : solution.packages)
    if (package.record->name == name) return package.record;
  return nullptr;
}

/// `1.26.4` as the series `1.26`.
std::string series(const Version& version) { return version.truncated(2).str(); }

/// The versions that a virtual package is demanded with: the literals of the specs.
void add_literals(const std::string& text, std::set<std::string>& literals) {
  for (std::size_t i = 0; i < text.size();) {
    if (text[i] < '0' || text[i] > '9') {
      ++i;
      continue;
    }
    std::size_t end = i;
    while (end < text.size() && ((text[end] >= '0' && text[end] <= '9') || text[end] == '.')) ++end;
    std::string literal = text.substr(i, end - i);
    while (literal.ends_with('.')) literal.pop_back();
    // `3.0a0` bounds from above.
    if (end == text.size() || !((text[end] >= 'a' && text[end] <= 'z') || (text[end] >= 'A' && text[end] <= 'Z')))
      literals.insert(std::move(literal));
    while (end < text.size() && text[end] != ',' && text[end] != '|') ++end;
    i = end;
  }
}

/// Names of the virtual packages that the reasons speak of as missing.
void add_missing_virtuals(const std::vector<ConflictReason>& reasons, std::set<std::string>& names) {
  for (const auto& reason : reasons) {
    if (reason.kind == ConflictReason::Kind::missing_virtual) names.insert(reason.spec);
    add_missing_virtuals(reason.causes, names);
  }
}

class Advisor {
 public:
  Advisor(const SolveRequest& request, const SolveRequest& core) : request_(request), core_(core) {}

  std::vector<Suggestion> advise(const std::vector<ConflictReason>& reasons) {
    lift_restrictions();
    for (const auto& pin : core_.pins) loosen_pin(pin);
    unfreeze();
    std::vector<MatchSpec> stubborn;
    for (const auto& spec : core_.specs)
      if (is_virtual(spec.name) || !loosen(spec)) stubborn.push_back(spec);
    assume_virtuals(reasons);
    if (request_.specs.size() > 1)
      for (const auto& spec : stubborn) drop(spec);
    return std::move(found_);
  }

  /// For wishes that nothing answers: a looser version, or a name that is spelled alike.
  std::vector<Suggestion> advise(const std::vector<MatchSpec>& unanswered, const std::vector<std::string>& closest) {
    for (const auto& spec : unanswered)
      if (closest.empty()) loosen(spec);
      else rename(spec, closest.front());
    return std::move(found_);
  }

 private:
  static constexpr int most_solves = 20;

  /// A solution of a changed request, while there are tries left.
  std::optional<Solution> attempt(const SolveRequest& changed) {
    if (solves_ >= most_solves) return std::nullopt;
    ++solves_;
    return find_solution(changed, nullptr);
  }

  static SolveRequest with_spec(const SolveRequest& request, const MatchSpec& old, const MatchSpec* replacement) {
    SolveRequest changed = request;
    if (replacement == nullptr) std::erase(changed.specs, old);
    else std::replace(changed.specs.begin(), changed.specs.end(), old, *replacement);
    // Who moves an installed package away from what it is wants it to move.
    if (replacement != nullptr) changed.installed.update.push_back(old.name);
    return changed;
  }

  /// The packages in question as they would be: of one name first, then of the core.
  std::vector<std::string> outcome(const Solution& solution, std::string_view first, std::string_view without = {}) const {
    std::vector<std::string> result;
    const auto add = [&](std::string_view name) {
      const auto* record = name == without ? nullptr : find(solution, name);
      if (record == nullptr) return;
      std::string text = record->name + " " + record->version;
      if (std::find(result.begin(), result.end(), text) == result.end()) result.push_back(std::move(text));
    };
    add(first);
    for (const auto& spec : core_.specs) add(spec.name);
    return result;
  }

  void offer(Kind kind, std::string spec, std::string replacement, std::vector<std::string> result, std::string text) {
    Suggestion suggestion;
    suggestion.kind = kind;
    suggestion.spec = std::move(spec);
    suggestion.replacement = std::move(replacement);
    if (!result.empty()) {
      text += ": gives ";
      constexpr std::size_t shown = 4;
      for (std::size_t i = 0; i < result.size() && i < shown; ++i) text += (i == 0 ? "" : ", ") + result[i];
      if (result.size() > shown) text += ", ...";
    }
    suggestion.outcome = std::move(result);
    suggestion.text = std::move(text);
    found_.push_back(std::move(suggestion));
  }

  /// Channel priority and date limit are no wishes for a package, but can be in the way as well.
  void lift_restrictions() {
    SolveRequest changed = request_;
    if (request_.options.channel_priority == ChannelPriority::strict && request_.candidates->channels().size() > 1) {
      changed.options.channel_priority = ChannelPriority::flexible;
      if (const auto solution = attempt(changed)) {
        use_channels(*solution);
        offer(Kind::flexible_channels, {}, "flexible", outcome(*solution, {}), "set `channel_priority: flexible`");
      }
      changed.options = request_.options;
    }
    const SolveOptions& options = request_.options;
    const bool single = options.exclude_newer_packages.empty() && options.exclude_newer_channels.empty();
    if (single && options.exclude_newer_ms == 0) return;
    changed.options.exclude_newer_ms = 0;
    changed.options.exclude_newer_packages.clear();
    changed.options.exclude_newer_channels.clear();
    if (const auto solution = attempt(changed)) {
      std::uint64_t newest = 0;
      for (const auto& package : solution->packages)
        if (!package.installed)
          newest = std::max(newest, release_time(*package.record));
      constexpr std::uint64_t one_day = 86'400'000;
      const std::string limit = day(newest / one_day * one_day + one_day);
      offer(Kind::lift_date_limit, {}, limit, outcome(*solution, {}),
            single ? "move the date limit from " + day(options.exclude_newer_ms) + " to " + limit + ", or lift it"
                   : "move the date limits to " + limit + ", or lift them");
    }
  }

  /// The packages that flexible priority takes from a channel of lower priority, when they are few.
  void use_channels(const Solution& flexible) {
    std::vector<const RepoDataRecord*> shadowed;
    const auto& channels = request_.candidates->channels();
    std::vector<std::string> texts;
    SolveRequest changed = request_;
    for (const auto& package : flexible.packages) {
      if (package.installed) continue;
      std::uint32_t own = 0, best = ~std::uint32_t{0};
      for (const auto& entry : request_.candidates->find(package.record->name)) {
        best = std::min(best, entry.channel);
        if (entry.record == package.record) own = entry.channel;
      }
      if (own == best) continue;
      MatchSpec spec = MatchSpec::from_name(package.record->name);
      for (const auto& wish : request_.specs)
        if (wish.name == spec.name) spec = wish;
      spec.channel = channels[own];
      spec.channel_urls.clear();
      std::erase_if(changed.specs, [&](const MatchSpec& wish) { return wish.name == spec.name; });
      changed.specs.push_back(spec);
      texts.push_back(spec_text(spec));
      shadowed.push_back(package.record);
    }
    if (texts.empty() || texts.size() > 2) return;
    const auto solution = attempt(changed);
    if (!solution) return;
    std::string text = "ask for " + quoted(texts[0]);
    if (texts.size() == 2) text += " and " + quoted(texts[1]);
    offer(Kind::use_channel, {}, texts.size() == 1 ? texts[0] : texts[0] + " " + texts[1],
          outcome(*solution, shadowed[0]->name), text);
  }

  void loosen_pin(const MatchSpec& pin) {
    SolveRequest changed = request_;
    std::erase_if(changed.pins, [&](const MatchSpec& other) { return other == pin; });
    auto solution = attempt(changed);
    std::string also;
    if (!solution) {
      // A wish of an earlier command often says the same.
      for (auto& spec : changed.specs) {
        if (spec.name != pin.name || spec.is_name_only()) continue;
        also = spec_text(spec);
        spec = MatchSpec::from_name(spec.name);
      }
      if (also.empty()) return;
      changed.installed.update.push_back(pin.name);
      solution = attempt(changed);
    }
    if (!solution) return;
    std::string replacement;
    if (const auto* record = find(*solution, pin.name)) {
      const auto looser = loosened(pin, *record);
      if (looser && !looser->is_name_only()) replacement = spec_text(*looser);
    }
    const std::string what = "the pin " + quoted(spec_text(pin)) + (also.empty() ? "" : " and the wish " + quoted(also));
    offer(Kind::loosen_pin, spec_text(pin), replacement, outcome(*solution, pin.name),
          replacement.empty() ? "take " + what + " away" : "loosen " + what + " to " + quoted(replacement));
  }

  void unfreeze() {
    const auto& frozen = core_.installed.freeze;
    if (frozen.empty()) return;
    SolveRequest changed = request_;
    if (frozen.size() == 1 && !request_.installed.freeze_all) {
      std::erase(changed.installed.freeze, frozen[0]);
    } else {
      changed.installed.freeze_all = false;
      changed.installed.freeze.clear();
    }
    const auto solution = attempt(changed);
    if (!solution) return;
    std::vector<std::string> moves;
    for (const auto& name : frozen) {
      const auto* record = find(*solution, name);
      const auto old = std::find_if(request_.installed.records.begin(), request_.installed.records.end(),
                                    [&](const auto* installed) { return installed->name == name; });
      if (record != nullptr && old != request_.installed.records.end())
        moves.push_back(name + " " + record->version + (record->version == (*old)->version ? " " + record->build : "") +
                        " in place of " + (*old)->version + (record->version == (*old)->version ? " " + (*old)->build : ""));
    }
    offer(Kind::unfreeze, request_.installed.freeze_all ? "*" : frozen.size() == 1 ? frozen[0] : "*", {}, moves,
          frozen.size() == 1 && !request_.installed.freeze_all ? "let the installed " + quoted(frozen[0]) + " change"
                                                               : "let installed packages change (no `--freeze-installed`)");
  }

  /// A wider spec that the record answers: as little wider as can be said simply.
  std::optional<MatchSpec> loosened(const MatchSpec& spec, const RepoDataRecord& record) const {
    MatchSpec result = MatchSpec::from_name(spec.name);
    const Version got = Version::parse(record.version);
    if (spec.version.is_any() || spec.version.matches(got)) {
      // It is something else that was too narrow.
      result.version = spec.version;
      return result;
    }
    const Version* base = spec.version.exact() != nullptr ? spec.version.exact() : spec.version.prefix();
    std::string text;
    if (base != nullptr) {
      text = got > *base ? ">=" + base->str() : series(got) + ".*";
    } else {
      std::optional<Version> lowest, lowest_of_all;
      for (const auto& entry : request_.candidates->find(spec.name)) {
        const Version version = Version::parse(entry.record->version);
        if (!lowest_of_all || version < *lowest_of_all) lowest_of_all = version;
        if (spec.version.matches(version) && (!lowest || version < *lowest)) lowest = version;
      }
      if (!lowest || got < *lowest) text = ">=" + series(got);
      else if (lowest == lowest_of_all) return result;
      else text = ">=" + series(*lowest);
    }
    try {
      result.version = VersionSpec::parse(text);
    } catch (const Error&) {
      return result;
    }
    return result.version.matches(got) ? result : MatchSpec::from_name(spec.name);
  }

  bool loosen(const MatchSpec& spec) {
    // Who names an archive or its digest means it.
    if (spec.is_name_only() || spec.md5 || spec.sha256 || !spec.url.empty()) return false;
    MatchSpec wide = MatchSpec::from_name(spec.name);
    wide.when = spec.when;
    wide.extras = spec.extras;
    std::optional<Solution> solution;
    MatchSpec any_build = wide;
    any_build.version = spec.version;
    if (!(any_build == spec) && !spec.version.is_any()) solution = attempt(with_spec(request_, spec, &any_build));
    if (!solution && !(wide == spec)) solution = attempt(with_spec(request_, spec, &wide));
    if (!solution) return false;
    const auto* record = find(*solution, spec.name);
    if (record == nullptr) return false;
    auto looser = loosened(spec, *record);
    looser->extras = spec.extras;
    looser->when = spec.when;
    if (*looser == spec) return false;
    offer(Kind::loosen_spec, spec_text(spec), spec_text(*looser), outcome(*solution, spec.name),
          "ask for " + quoted(spec_text(*looser)) + " instead of " + quoted(spec_text(spec)));
    return true;
  }

  void rename(const MatchSpec& spec, const std::string& name) {
    if (!spec.url.empty() || request_.candidates->find(name).empty()) return;
    MatchSpec other = spec;
    other.name = name;
    if (const auto solution = attempt(with_spec(request_, spec, &other)))
      offer(Kind::other_name, spec_text(spec), spec_text(other), outcome(*solution, name),
            "ask for " + quoted(spec_text(other)) + " instead of " + quoted(spec_text(spec)));
  }

  void assume_virtuals(const std::vector<ConflictReason>& reasons) {
    std::set<std::string> names;
    add_missing_virtuals(reasons, names);
    for (const auto& name : names) {
      // Nobody turns Linux into macOS.
      if (name == "__win" || name == "__unix" || name == "__linux" || name == "__osx") continue;
      assume_virtual(name);
    }
  }

  void assume_virtual(const std::string& name) {
    // What anything in reach demands of it.
    std::set<std::string> texts, builds, literals;
    for (const auto& candidate_name : request_.candidates->names())
      for (const auto& entry : request_.candidates->find(candidate_name))
        for (const auto* list : {&entry.record->depends, &entry.record->constrains})
          for (const auto& text : *list)
            if (text.starts_with(name)) texts.insert(text);
    for (const auto& spec : request_.specs)
      if (spec.name == name) texts.insert(spec.str());
    for (const auto& text : texts) {
      try {
        const MatchSpec spec = MatchSpec::parse(text);
        if (spec.name != name) continue;
        add_literals(spec.version.str(), literals);
        const std::string build = spec.build.str();
        if (!spec.build.is_any() && build.find_first_of("*^|") == std::string::npos) builds.insert(build);
      } catch (const Error&) {
        // Its record cannot be chosen anyway.
      }
    }
    if (literals.empty()) literals.insert(name == "__cuda" ? "12.0" : "0");
    std::vector<std::pair<Version, std::string>> versions;
    for (const auto& literal : literals) versions.emplace_back(Version::parse(literal), literal);
    std::sort(versions.begin(), versions.end());
    SolveRequest changed = request_;
    auto offered = std::find_if(changed.virtual_packages.begin(), changed.virtual_packages.end(),
                                [&](const auto& package) { return package.name == name; });
    std::optional<Version> now;
    if (offered == changed.virtual_packages.end()) {
      changed.virtual_packages.emplace_back().name = name;
      offered = changed.virtual_packages.end() - 1;
      offered->build = "0";
    } else if (name != "__archspec") {
      now = Version::parse(offered->version);
    }
    if (name == "__archspec") {
      offered->version = "1";
      for (const auto& build : builds) {
        offered->build = build;
        if (offer_virtual(changed, name, build)) return;
      }
      return;
    }
    int tries = 0;
    for (const auto& [version, text] : versions) {
      if ((now && !(*now < version)) || ++tries > 6) continue;
      offered->version = text;
      if (offer_virtual(changed, name, text)) return;
    }
  }

  bool offer_virtual(const SolveRequest& changed, const std::string& name, const std::string& value) {
    const auto solution = attempt(changed);
    if (!solution) return false;
    std::string variable = "CONDA_OVERRIDE_";
    for (const char c : name.substr(2)) variable += c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    offer(Kind::assume_virtual, name, name + "=" + value, outcome(*solution, {}),
          "if the environment is for a machine with " + quoted(name + " " + value) + ", set " + quoted(variable + "=" + value) + " or give `--virtual-packages FILE`");
    return true;
  }

  void drop(const MatchSpec& spec) {
    const auto solution = attempt(with_spec(request_, spec, nullptr));
    if (!solution) return;
    const bool installed = std::any_of(request_.installed.records.begin(), request_.installed.records.end(),
                                       [&](const auto* record) { return record->name == spec.name; });
    offer(Kind::drop_spec, spec_text(spec), {}, outcome(*solution, {}, spec.name),
          (installed ? "remove " : "leave out ") + quoted(spec_text(spec)));
  }

  const SolveRequest& request_;
  const SolveRequest& core_;
  std::vector<Suggestion> found_;
  int solves_ = 0;
};

}  // namespace

std::vector<Suggestion> find_suggestions(const SolveRequest& request, const SolveRequest& core,
                                         const std::vector<ConflictReason>& reasons) {
  auto suggestions = Advisor(request, core).advise(reasons);
  // Where one change is not enough, the first conflict is one on the way.
  if (suggestions.empty() && core.specs.size() < request.specs.size()) {
    suggestions = Advisor(core, core).advise(reasons);
    for (auto& suggestion : suggestions) {
      suggestion.complete = false;
      suggestion.text += " (there is another conflict besides)";
    }
  }
  return suggestions;
}

std::vector<Suggestion> find_suggestions(const SolveRequest& request, const std::vector<MissingPackage>& missing) {
  // Each on its own: what nothing answers is left out for the others.
  std::vector<Suggestion> result;
  const auto is_missing = [&](const MatchSpec& spec) {
    return std::any_of(missing.begin(), missing.end(), [&](const auto& entry) { return entry.spec == spec_text(spec); });
  };
  constexpr std::size_t most = 4;
  for (const auto& entry : missing) {
    if ((entry.available.empty() && entry.closest.empty()) || result.size() >= most) continue;
    SolveRequest others = request;
    std::vector<MatchSpec> unanswered;
    std::erase_if(others.specs, [&](const MatchSpec& spec) {
      if (spec_text(spec) == entry.spec && unanswered.empty()) {
        unanswered.push_back(spec);
        return false;
      }
      return is_missing(spec);
    });
    const SolveRequest none;
    for (auto& suggestion : Advisor(others, none).advise(unanswered, entry.closest)) result.push_back(std::move(suggestion));
  }
  return result;
}

}  // namespace envtool::solving

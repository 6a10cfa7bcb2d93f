// libFuzzer target: `conda-meta/history`, `conda-meta/state`, `conda-meta/pinned`. Whatever is read is
// written so that it is read again as the same.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"
#include "envtool/prefix/history.hpp"
#include "envtool/prefix/prefix.hpp"

using namespace envtool;

namespace {
void require(bool holds) {
  if (!holds) std::abort();
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const History history = History::parse(text);
  history.requested_specs();
  if (!history.entries().empty()) history.state_at(history.entries().size() - 1);
  for (const HistoryEntry& entry : history.entries()) {
    const std::string written = render(entry);
    require(is_valid_utf8(written));
    // One block stays one block, whatever its parts hold.
    const History again = History::parse(written);
    require(again.entries().size() == 1);
    require(again.entries()[0].linked.size() == entry.linked.size());
    require(again.entries()[0].unlinked.size() == entry.unlinked.size());
  }
  parse_pinned(text);
  try {
    const EnvironmentVariables variables = parse_state(text, "fuzz");
    bool valid = true;
    for (const auto& [name, value] : variables) valid = valid && is_valid_utf8(name) && is_valid_utf8(value);
    if (valid) require(parse_state(render_state(variables), "fuzz") == variables);
  } catch (const Error& error) {
    require(error.kind() == ErrorKind::corrupt);
  }
  return 0;
}

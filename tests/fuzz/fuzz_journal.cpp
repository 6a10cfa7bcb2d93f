// libFuzzer target: the journal of an unfinished change. A damaged one is an error, never a guess; one
// that is read is written to the same bytes.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "../../src/install/journal.hpp"
#include "envtool/base/error.hpp"

using namespace envtool;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    const detail::Journal journal = detail::parse_journal(text, "fuzz");
    if (detail::render_journal(journal) != text) std::abort();
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::corrupt) std::abort();
  }
  // The checksums keep random bytes out: what the fields can hold is tried from the other side.
  detail::Journal journal;
  journal.id = "0a1b";
  journal.prefix = std::string(text);
  detail::JournalStep step;
  step.path = "a/b";
  step.content = std::string(text);
  step.recipe.source = "/" + std::string(text);
  step.before.mtime_ns = static_cast<std::int64_t>(size) - 100;
  journal.steps.push_back(step);
  const detail::Journal again = detail::parse_journal(detail::render_journal(journal), "fuzz");
  if (again.prefix != journal.prefix || again.steps.size() != 1 || again.steps[0].content != step.content ||
      again.steps[0].recipe.source != step.recipe.source || again.steps[0].before != step.before)
    std::abort();
  return 0;
}

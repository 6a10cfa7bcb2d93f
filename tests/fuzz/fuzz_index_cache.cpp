// libFuzzer target: what `envtool index` remembers of a subdir, with its digest made to fit, and a published
// `repodata.json`. What is taken for a cache is written so that it is read again as the same.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "envtool/base/digest.hpp"
#include "envtool/base/error.hpp"
#include "index_cache.hpp"

using namespace envtool;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string text(reinterpret_cast<const char*>(data), size);
  try {
    read_published(text, "fuzz");
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::invalid_input) std::abort();
  }
  parse_index_cache(text);
  if (!text.starts_with("envtool channel index")) text.insert(0, "envtool channel index 1\n");
  text += "\nend\t";
  const std::size_t end_line = text.size() - 4;
  text += sha256(std::string_view(text).substr(0, end_line)).hex() + "\n";
  if (const auto cache = parse_index_cache(text)) {
    const std::string written = to_text(*cache);
    const auto again = parse_index_cache(written);
    if (!again || to_text(*again) != written) std::abort();
  }
  return 0;
}

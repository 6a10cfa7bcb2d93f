#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace envtool {

/// Without ASCII white space at both ends.
std::string_view strip(std::string_view text);
/// ASCII lower case.
std::string to_lower(std::string_view text);
/// Pieces between separators, empty ones kept; `"a,,b"` gives three.
std::vector<std::string_view> split(std::string_view text, char separator);
/// Pieces between runs of ASCII white space, no empty ones.
std::vector<std::string_view> split_whitespace(std::string_view text);
/// Lines without their `\n` or `\r\n`.
std::vector<std::string_view> split_lines(std::string_view text);
std::string join(std::span<const std::string> parts, std::string_view separator);
std::string replace_all(std::string_view text, std::string_view from, std::string_view to);
/// A decimal number that fills the whole text, or nothing (no sign, no overflow).
std::optional<std::uint64_t> parse_unsigned(std::string_view text);

/// The closest of the candidates by edit distance, at most `limit`, best first; only those near
/// enough to be a likely typing error (for "did you mean").
std::vector<std::string> closest_matches(std::string_view wanted, std::span<const std::string> candidates,
                                         std::size_t limit = 3);

/// Control characters (line breaks and tabs too), marks that change the writing direction, and
/// invalid UTF-8 as `\xNN` per byte, so that metadata cannot drive the terminal.
std::string escape_control(std::string_view text);
/// True for well-formed UTF-8 (no surrogates, no overlong forms).
bool is_valid_utf8(std::string_view text);

/// `1.5 MB` (powers of 1000, as the peers print sizes).
std::string human_size(std::uint64_t bytes);
/// `1,234`.
std::string with_thousands(std::uint64_t number);
/// `1 file`, `1,234 files`.
std::string counted(std::uint64_t number, std::string_view one, std::string_view many);

}  // namespace envtool

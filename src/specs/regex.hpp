#pragma once

#include <bitset>
#include <cstdint>
#include <string_view>
#include <vector>

namespace envtool {

/// A small regular expression engine for hostile patterns: matching takes time proportional to
/// pattern times text and no recursion, because it follows all alternatives at once (Thompson's
/// construction). ASCII case-insensitive. Knows literals, `.`, `[...]`, `\d \w \s` and their
/// negations, `\b \B`, groups, `|`, `* + ? {m,n}` (greedy or lazy, which is the same for a yes/no
/// answer) and `^ $`. CEP 29 discourages look-around and back-references; they are refused.
class Regex {
 public:
  /// Throws `Error` (invalid_input) that says where the pattern is wrong.
  static Regex compile(std::string_view pattern);
  /// True when the pattern matches somewhere in the text.
  bool search(std::string_view text) const;

 private:
  enum class Operation : std::uint8_t {
    character,
    any,
    set,
    split,
    jump,
    begin,
    end,
    word_boundary,
    not_word_boundary,
    match
  };
  using CharacterSet = std::bitset<256>;
  struct Instruction {
    Operation operation;
    unsigned char character = 0;
    std::uint32_t first = 0;   // target of split and jump, index of the set
    std::uint32_t second = 0;  // other target of split
  };
  class Compiler;
  struct Threads;

  void follow(std::uint32_t start, std::string_view text, std::size_t position, Threads& threads) const;

  std::vector<Instruction> program_;
  std::vector<CharacterSet> sets_;
};

}  // namespace envtool

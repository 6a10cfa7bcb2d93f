#include "regex.hpp"

#include <utility>

#include "characters.hpp"

namespace envtool {

namespace {

bool is_word(char c) {
  return is_letter(c) || is_digit(c) || c == '_';
}

}  // namespace

/// The instructions that are alive at one position of the text, each once.
struct Regex::Threads {
  explicit Threads(std::size_t size) : seen(size, 0) {}
  void clear() {
    alive.clear();
    ++generation;
  }
  bool add(std::uint32_t index) {
    if (seen[index] == generation) {
      return false;
    }
    seen[index] = generation;
    return true;
  }
  std::vector<std::uint32_t> alive;
  std::vector<std::uint32_t> pending;
  std::vector<std::size_t> seen;
  std::size_t generation = 1;
  bool has_match = false;
};

void Regex::follow(std::uint32_t start, std::string_view text, std::size_t position, Threads& threads) const {
  const auto is_boundary = [&] {
    const bool before = position > 0 && is_word(text[position - 1]);
    const bool after = position < text.size() && is_word(text[position]);
    return before != after;
  };
  threads.pending.push_back(start);
  while (!threads.pending.empty()) {
    const std::uint32_t index = threads.pending.back();
    threads.pending.pop_back();
    if (!threads.add(index)) {
      continue;
    }
    const Instruction& instruction = program_[index];
    bool passes = false;
    switch (instruction.operation) {
      case Operation::split:
        threads.pending.push_back(instruction.second);
        threads.pending.push_back(instruction.first);
        break;
      case Operation::jump:
        threads.pending.push_back(instruction.first);
        break;
      case Operation::begin:
        passes = position == 0;
        break;
      case Operation::end:
        passes = position == text.size();
        break;
      case Operation::word_boundary:
        passes = is_boundary();
        break;
      case Operation::not_word_boundary:
        passes = !is_boundary();
        break;
      case Operation::match:
        threads.has_match = true;
        break;
      case Operation::character:
      case Operation::any:
      case Operation::set:
        threads.alive.push_back(index);
        break;
    }
    if (passes) {
      threads.pending.push_back(index + 1);
    }
  }
}

bool Regex::search(std::string_view text) const {
  Threads now(program_.size());
  Threads next(program_.size());
  for (std::size_t position = 0; position <= text.size(); ++position) {
    follow(0, text, position, now);
    if (now.has_match) {
      return true;
    }
    if (position == text.size()) {
      break;
    }
    const auto byte = static_cast<unsigned char>(lowered(text[position]));
    next.clear();
    for (std::uint32_t index : now.alive) {
      const Instruction& instruction = program_[index];
      const bool fits = instruction.operation == Operation::any ||
                        (instruction.operation == Operation::character && instruction.character == byte) ||
                        (instruction.operation == Operation::set && sets_[instruction.first][byte]);
      if (fits) {
        follow(index + 1, text, position + 1, next);
      }
    }
    std::swap(now, next);
  }
  return false;
}

}  // namespace envtool

#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace envtool::detail {

/// What sort of value a configuration key takes.
enum class KeyType { boolean, number, text, text_or_boolean, number_or_boolean, list, path_list, map, list_map, channel_settings };

struct Key {
  std::string_view name;
  KeyType type;
};

/// The keys that envtool acts on.
const std::vector<Key>& supported_keys();
const Key* find_key(std::string_view name);
/// conda's and mamba's keys that have no bearing on what envtool does.
bool is_harmless_key(std::string_view name);
/// conda's and mamba's keys that could change a result and that envtool does not act on.
bool is_unsupported_key(std::string_view name);
/// The key that an older name of conda's stands for; other names as they are.
std::string_view canonical_key(std::string_view name);
/// The names of a key: the older ones, then its own.
std::vector<std::string_view> spellings(std::string_view key);

}  // namespace envtool::detail

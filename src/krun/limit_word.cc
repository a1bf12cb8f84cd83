#include "krun/limit_word.h"

#include <algorithm>
#include <charconv>

namespace cloche::krun {
namespace {

std::optional<uint64_t> number_in(std::string_view text) {
  uint64_t number = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(number) : std::nullopt;
}

}  // namespace

std::optional<LimitWord> parse_limit(std::string_view text) {
  size_t first = text.find_first_of("=:"), second = text.find(':', first + 1);
  if (first == std::string_view::npos || second == std::string_view::npos) return std::nullopt;
  auto resource = number_in(text.substr(0, first)), soft = number_in(text.substr(first + 1, second - first - 1)),
       hard = number_in(text.substr(second + 1));
  if (!resource || !soft || !hard || *resource >= LimitWord::kResources) return std::nullopt;
  return LimitWord{static_cast<uint32_t>(*resource), *soft, *hard};
}

std::optional<std::vector<LimitWord>> parse_limits(std::string_view text) {
  std::vector<LimitWord> limits;
  while (!text.empty()) {
    size_t end = std::min(text.find(','), text.size());
    auto limit = parse_limit(text.substr(0, end));
    if (!limit) return std::nullopt;
    limits.push_back(*limit);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return limits;
}

}  // namespace cloche::krun

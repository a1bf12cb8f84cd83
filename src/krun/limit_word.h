// A resource limit as libkrun's programs and its kernel command line write it.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace cloche::krun {

struct LimitWord {
  static constexpr uint32_t kResources = 16;  // As many as Linux has.
  uint32_t resource = 0;                      // By setrlimit(2)'s numbers on x86_64.
  uint64_t soft = 0, hard = 0;
  bool operator==(const LimitWord&) const = default;
};

// "RESOURCE=SOFT:HARD", or with a colon instead of the equals sign.
std::optional<LimitWord> parse_limit(std::string_view text);
// Such words with commas between them. Nothing: one of them is none.
std::optional<std::vector<LimitWord>> parse_limits(std::string_view text);

}  // namespace cloche::krun

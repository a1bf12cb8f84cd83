// Texts and lists of them, as C passes them.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "capi/guard.h"

namespace cloche::capi {

// More than anybody's command has; a list that does not end is not read to the end of memory.
inline constexpr size_t kMostTexts = 1 << 16;

// Copies `text` into `to`.
inline Result<void> take_text(const char* text, std::string& to) {
  if (text == nullptr) return missing("text");
  to = text;
  return {};
}

// Copies the texts before the NULL.
inline Result<void> take_texts(const char* const* texts, std::vector<std::string>& to) {
  if (texts == nullptr) return missing("list");
  std::vector<std::string> taken;
  for (; *texts != nullptr; ++texts) {
    if (taken.size() == kMostTexts) return fail(ErrorCode::kInvalidArgument, "list: it does not end");
    taken.emplace_back(*texts);
  }
  to = std::move(taken);
  return {};
}

// Milliseconds where there may be none: -1.
inline Result<std::optional<std::chrono::milliseconds>> limit_of(int64_t timeout_ms) {
  if (timeout_ms < -1) return fail(ErrorCode::kInvalidArgument, "timeout: is less than -1");
  if (timeout_ms == -1) return std::nullopt;
  // Far more than anybody waits, and no overflow when added to the time.
  constexpr int64_t kMost = int64_t{100} * 365 * 24 * 3600 * 1000;
  return std::chrono::milliseconds(std::min(timeout_ms, kMost));
}

}  // namespace cloche::capi

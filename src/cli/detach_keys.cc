#include "cli/detach_keys.h"

#include <algorithm>
#include <string_view>

namespace cloche::cli {
namespace {

constexpr std::string_view kControl = "ctrl-";

// Empty where it is none.
std::string byte_of(std::string_view key) {
  if (key.size() == 1) return std::string(key);
  if (!key.starts_with(kControl) || key.size() != kControl.size() + 1) return {};
  char letter = key.back();
  if (letter >= 'a' && letter <= 'z') letter = static_cast<char>(letter - 'a' + 'A');
  // ctrl-@ is 0, ctrl-A 1, and so on to ctrl-_, as on every terminal.
  if (letter < '@' || letter > '_') return {};
  return {static_cast<char>(letter - '@')};
}

}  // namespace

Result<std::string> parse_detach_keys(const std::string& text) {
  std::string keys;
  for (size_t at = 0; at < text.size();) {
    // A comma can be a key, too.
    size_t end = std::min(text.find(',', at + 1), text.size());
    std::string key = byte_of(std::string_view(text).substr(at, end - at));
    if (key.empty() || end + 1 == text.size())
      return fail(ErrorCode::kInvalidArgument,
                  "'" + text +
                      "' must be keys with commas between, as ctrl-p,ctrl-q: letters, and ctrl- with a letter or "
                      "one of @[\\]^_");
    keys += key;
    at = end + 1;
  }
  return keys;
}

}  // namespace cloche::cli

#include "base/printable.h"

#include <fmt/format.h>

#include <cstdint>

namespace cloche {
namespace {

// The length of the character at the start of `text` when it is valid UTF-8 and not a control character; 0 otherwise.
size_t printable_length(std::string_view text) {
  auto byte = [&](size_t at) { return at < text.size() ? static_cast<uint8_t>(text[at]) : uint8_t{0}; };
  uint8_t first = byte(0);
  if (first < 0x80) return first >= 0x20 && first != 0x7f ? 1 : 0;
  size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  uint32_t value = first & (0x7fu >> length);
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
    value = value << 6 | (byte(i) & 0x3fu);
  }
  constexpr uint32_t kLeast[] = {0, 0, 0xa0, 0x800, 0x10000};  // Above the C1 controls; no overlong forms.
  bool steers = (value >= 0x200b && value <= 0x200f) || (value >= 0x2028 && value <= 0x202e) ||
                (value >= 0x2066 && value <= 0x2069);
  return value >= kLeast[length] && value <= 0x10ffff && first >= 0xc0 && !steers ? length : 0;
}

}  // namespace

std::string printable(std::string_view text, Lines lines) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    size_t length = printable_length(text);
    bool keep = length != 0 || (lines == Lines::kKeep && (text[0] == '\n' || text[0] == '\t'));
    if (keep)
      out.append(text.substr(0, length == 0 ? 1 : length));
    else
      out += fmt::format("\\x{:02x}", static_cast<uint8_t>(text[0]));
    text.remove_prefix(length == 0 ? 1 : length);
  }
  return out;
}

}  // namespace cloche

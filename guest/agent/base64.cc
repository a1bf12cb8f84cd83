#include "guest/agent/base64.h"

#include <array>
#include <cstdint>

namespace cloche::agent {
namespace {

constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr uint8_t kNoDigit = 64;

constexpr std::array<uint8_t, 256> make_values() {
  std::array<uint8_t, 256> values{};
  values.fill(kNoDigit);
  for (uint8_t value = 0; value < kNoDigit; ++value) values[static_cast<uint8_t>(kDigits[value])] = value;
  return values;
}
constexpr std::array<uint8_t, 256> kValues = make_values();

uint32_t byte_at(std::string_view bytes, size_t at) { return at < bytes.size() ? static_cast<uint8_t>(bytes[at]) : 0; }

}  // namespace

void append_base64(std::string& to, std::string_view bytes) {
  to.reserve(to.size() + base64_size(bytes.size()));
  for (size_t at = 0; at < bytes.size(); at += 3) {
    uint32_t bits = byte_at(bytes, at) << 16 | byte_at(bytes, at + 1) << 8 | byte_at(bytes, at + 2);
    size_t digits = bytes.size() - at >= 3 ? 4 : bytes.size() - at + 1;
    for (size_t digit = 0; digit < 4; ++digit) to += digit < digits ? kDigits[bits >> (18 - 6 * digit) & 63] : '=';
  }
}

std::optional<std::string> decode_base64(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  std::string bytes;
  bytes.reserve(text.size() / 4 * 3);
  for (size_t at = 0; at < text.size(); at += 4) {
    bool last = at + 4 == text.size();
    // Padding stands at the very end only: one or two characters.
    size_t digits = last && text[at + 3] == '=' ? (text[at + 2] == '=' ? 2 : 3) : 4;
    uint32_t bits = 0;
    for (size_t digit = 0; digit < digits; ++digit) {
      uint8_t value = kValues[static_cast<uint8_t>(text[at + digit])];
      if (value == kNoDigit) return std::nullopt;
      bits |= uint32_t{value} << (18 - 6 * digit);
    }
    uint32_t unused = digits == 4 ? 0 : bits & (digits == 3 ? 0xff : 0xffff);
    if (unused != 0) return std::nullopt;
    for (size_t byte = 0; byte + 1 < digits; ++byte) bytes += static_cast<char>(bits >> (16 - 8 * byte));
  }
  return bytes;
}

}  // namespace cloche::agent

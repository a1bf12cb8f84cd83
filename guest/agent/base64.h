// Base64 as RFC 4648 (section 4) has it, with padding: how kelpie's protocol carries the contents of files.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace cloche::agent {

// Not a byte more than this many bytes of text for `size` bytes.
constexpr size_t base64_size(size_t size) { return (size + 2) / 3 * 4; }

void append_base64(std::string& to, std::string_view bytes);
// Nothing for what no encoder makes: other characters, line breaks, missing padding, bits that are not used and not 0.
std::optional<std::string> decode_base64(std::string_view text);

}  // namespace cloche::agent

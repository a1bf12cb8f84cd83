// Text from a guest, made fit for a terminal or a log.
#pragma once

#include <string>
#include <string_view>

namespace cloche {

// `text` as valid UTF-8, everything that could steer a terminal replaced; line ends and tabs stay where `lines` says
// so.
enum class Lines : uint8_t { kKeep, kEscape };
std::string printable(std::string_view text, Lines lines = Lines::kEscape);

}  // namespace cloche

// Apart from record.cc: only what reads a whole record needs the JSON library.
#include "sandbox/record.h"

namespace cloche::sandbox {

// encode() writes a field a line, and indents those of the config by four; there is no line end within a text, and none
// of the characters of a name is escaped (check_name()).
std::string name_in_record(std::string_view text) {
  constexpr std::string_view kField = "\n    \"name\": \"";
  size_t field = text.find(kField);
  if (field == std::string_view::npos) return {};
  size_t begin = field + kField.size(), end = text.find('"', begin);
  return end == std::string_view::npos ? std::string() : std::string(text.substr(begin, end - begin));
}

}  // namespace cloche::sandbox

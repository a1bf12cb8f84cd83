// JSON's texts by hand, so that the VM's process needs no JSON library.
#pragma once

#include <string>
#include <string_view>

namespace cloche::sandbox {

// `text` is printable (base/printable.h): valid UTF-8, of the controls only line ends and tabs.
inline std::string json_quoted(std::string_view text) {
  std::string out = "\"";
  for (char each : text) {
    if (each == '\n')
      out += "\\n";
    else if (each == '\t')
      out += "\\t";
    else if (each == '"' || each == '\\')
      out.append({'\\', each});
    else
      out += each;
  }
  return out + '"';
}

}  // namespace cloche::sandbox

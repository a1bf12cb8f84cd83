// What kelpie's host asks for: a JSON object each, tagged by "type". It comes from outside the guest, but it may be
// anything: depth, counts and every field's type are checked, and what is wrong is one sentence for an error reply.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cloche::agent {

enum class KelpieAct : uint8_t { kPing, kExec, kReadFile, kWriteFile, kListDirectory, kShutDown };

struct KelpieRequest {
  KelpieAct act = KelpieAct::kPing;
  // kExec. What is missing or null is as the sandbox has it.
  std::string command;
  std::vector<std::string> arguments;    // Without the command.
  std::vector<std::string> environment;  // "NAME=value"
  std::optional<std::string> input;
  std::optional<std::string> working_directory;  // Absolute.
  std::optional<uint64_t> timeout_ms;
  // Files. No NUL in it, not empty.
  std::string path;
  std::string contents;  // Decoded.
};

inline constexpr uint32_t kMostKelpieRequest = 10'485'760;
inline constexpr uint32_t kMostKelpieReply = 16'777'216;
// Objects and arrays in each other, as serde_json has it; and arguments or variables of a command: Linux would take no
// more with an empty one each.
inline constexpr unsigned kMostKelpieDepth = 128;
inline constexpr size_t kMostKelpieWords = 65'536;

std::expected<KelpieRequest, std::string> parse_kelpie_request(std::string_view json);

}  // namespace cloche::agent

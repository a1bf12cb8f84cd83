// What a sandbox's command has written, kept in files of bounded size.
//
// The format is that of Kubernetes' container logs (CRI): "TIME STREAM TAG TEXT" a line, TIME as RFC 3339 with
// nanoseconds in UTC, STREAM "stdout" or "stderr", TAG "F" for a whole line and "P" for a part of one that goes on in
// the stream's next entry. TEXT is the command's bytes as they were.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>

#include "base/fd.h"

namespace cloche {

enum class LogStream : uint8_t { kOutput, kError };

class CommandLog {
 public:
  static constexpr size_t kMostLine = 16 << 10;  // Longer ones are kept in parts, as elsewhere.

  struct Limits {
    uint64_t bytes = 0;  // Of a file before the next one is begun,
    uint32_t files = 1;  // and how many are kept, at least 1.
  };
  // `directory/name` is gone on with. The ones before it are called name.1 and so on.
  static Result<CommandLog> open(const std::string& directory, const std::string& name, Limits limits);

  // Keeps whole lines; the rest waits for its end, for kMostLine or for end(). An error is the disk's; what was not
  // written is lost, and the next append() tries anew.
  Result<void> append(LogStream stream, std::span<const std::byte> bytes);
  // Keeps what is left of an unfinished line.
  Result<void> end();

 private:
  CommandLog(std::string newest, Limits limits) : newest_(std::move(newest)), limits_(limits) {}
  std::string path(uint32_t number) const;
  Result<void> open_newest();
  Result<void> rotate();
  Result<void> keep(LogStream stream, char tag);
  Result<void> flush();

  std::string newest_;  // Its path.
  Limits limits_;
  Fd file_;
  uint64_t size_ = 0;
  std::array<std::string, 2> rest_;
  std::string unwritten_;
};

}  // namespace cloche

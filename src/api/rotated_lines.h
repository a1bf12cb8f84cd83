// The lines of a file that is being written and rotated: NAME is the newest, NAME.1 was it before, and so on.
#pragma once

#include <sys/stat.h>

#include <optional>
#include <string>
#include <string_view>

#include "base/fd.h"

namespace cloche {

class RotatedLines {
 public:
  // Who writes: one process, or several, of which one may still write into a file after another has rotated it.
  enum class Writers : uint8_t { kOne, kMany };
  RotatedLines(std::string newest, Writers writers) : newest_(std::move(newest)), writers_(writers) {}

  // The next whole line, oldest first; empty when there is none now. It is good until the next call. What is lost to
  // rotation before it is read is left out.
  Result<std::optional<std::string_view>> next();
  // Passes over all that is there now.
  Result<void> skip_all();

 private:
  struct File {
    dev_t device = 0;
    ino_t inode = 0;
    bool operator==(const File&) const = default;
  };
  static File identity(const struct stat& status) { return {status.st_dev, status.st_ino}; }
  std::string path(uint32_t number) const;
  Result<bool> read_more();
  Result<bool> open_next();

  std::string newest_;
  Writers writers_;
  Fd file_;
  File current_;
  std::string read_;
  size_t done_ = 0;
};

}  // namespace cloche

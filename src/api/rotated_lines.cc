#include "api/rotated_lines.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <time.h>
#include <unistd.h>

namespace cloche {
namespace {

constexpr size_t kReadBytes = 64 << 10;
constexpr size_t kMostLine = 64 << 10;  // Longer than any that is written.
constexpr uint32_t kMostFiles = 1000;
// Who had opened a file before it was rotated has written to it by then.
constexpr useconds_t kLateUs = 20'000;
constexpr time_t kFreshS = 2;

}  // namespace

Result<std::optional<std::string_view>> RotatedLines::next() {
  for (;;) {
    size_t end = read_.find('\n', done_);
    if (end != std::string::npos) {
      std::string_view line = std::string_view(read_).substr(done_, end - done_);
      done_ = end + 1;
      return line;
    }
    if (TRY(read_more())) continue;
    // The end of this file. Once there is a newer one, no more comes.
    if (!TRY(open_next())) return std::nullopt;
  }
}

Result<void> RotatedLines::skip_all() {
  while (TRY(next())) {
  }
  return {};
}

std::string RotatedLines::path(uint32_t number) const {
  return number == 0 ? newest_ : fmt::format("{}.{}", newest_, number);
}

// False when there is no more in this file now.
Result<bool> RotatedLines::read_more() {
  if (!file_) return false;
  read_.erase(0, done_);
  done_ = 0;
  if (read_.size() > kMostLine) read_.clear();
  size_t had = read_.size();
  read_.resize(had + kReadBytes);
  ssize_t got = ::read(file_.get(), read_.data() + had, kReadBytes);
  read_.resize(had + static_cast<size_t>(std::max<ssize_t>(got, 0)));
  if (got < 0) return fail_errno("read " + newest_);
  return got > 0;
}

// The file after the one that was read, or the oldest. False when there is none yet.
Result<bool> RotatedLines::open_next() {
  uint32_t next = 0;
  bool found = false;
  struct stat status{};
  for (uint32_t number = 0; number < kMostFiles && ::stat(path(number).c_str(), &status) == 0; ++number) {
    found = true;
    if (file_ && identity(status) == current_) {
      if (number == 0) return false;
      next = number - 1;
      break;
    }
    next = number;
  }
  if (!found) return false;
  if (file_ && writers_ == Writers::kMany && ::fstat(file_.get(), &status) == 0 &&
      ::time(nullptr) - status.st_mtime < kFreshS) {
    ::usleep(kLateUs);
    if (TRY(read_more())) return true;
  }
  auto opened = open_file(path(next), O_RDONLY | O_NOFOLLOW);
  if (!opened && opened.error().sys_errno == ENOENT) return false;  // Rotated away just now; it is looked for again.
  if (!opened) return std::unexpected(std::move(opened).error());
  if (::fstat(opened->get(), &status) < 0) return fail_errno("look at " + newest_);
  file_ = std::move(*opened);
  current_ = identity(status);
  read_.clear();
  done_ = 0;
  return true;
}

}  // namespace cloche

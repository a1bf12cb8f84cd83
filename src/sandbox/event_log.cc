#include "sandbox/event_log.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/printable.h"
#include "sandbox/json_text.h"
#include "sandbox/state.h"
#include "sandbox/utc_time.h"

namespace cloche::sandbox {
namespace {

constexpr size_t kMostDetails = 8;
static_assert(kMostDetails * 6 * EventLog::kMostDetail < 64 << 10, "a line is written at once");

// Whole characters, and what steers a terminal as text.
std::string cut(const std::string& text) {
  if (text.size() <= EventLog::kMostDetail) return json_quoted(printable(text));
  size_t end = EventLog::kMostDetail;
  while (end > 0 && (static_cast<uint8_t>(text[end]) & 0xc0) == 0x80) --end;
  return json_quoted(printable(std::string_view(text).substr(0, end)) + "...");
}

}  // namespace

std::string encode(const Event& event) {
  std::string details;
  size_t count = 0;
  for (const auto& [name, value] : event.details)
    if (count++ < kMostDetails) details += fmt::format("{}{}: {}", details.empty() ? "" : ", ", cut(name), cut(value));
  return fmt::format(R"({{"time": {}, "id": {}, "name": {}, "event": {}, "details": {{{}}}}})",
                     json_quoted(utc_text(event.time_ns)), cut(event.id), cut(event.name), cut(event.kind), details);
}

std::string EventLog::path(uint32_t number) const {
  return number == 0 ? home_ + "/" + kName : fmt::format("{}/{}.{}", home_, kName, number);
}

Result<void> EventLog::append(Event event) const {
  if (event.time_ns == 0) event.time_ns = realtime_now_ns();
  std::string line = encode(event) + "\n";
  Fd file = TRY(open_file(path(), O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW, 0600));
  ssize_t put;
  do {
    put = ::write(file.get(), line.data(), line.size());
  } while (put < 0 && errno == EINTR);
  if (put < 0) return fail_errno("write " + path());
  if (put != static_cast<ssize_t>(line.size())) return fail_errno("write " + path(), ENOSPC);
  struct stat status{};
  if (::fstat(file.get(), &status) == 0 && static_cast<uint64_t>(status.st_size) >= most_bytes_) rotate();
  return {};
}

// Where another process is at it already, it does this for us.
void EventLog::rotate() const {
  auto lock = open_file(home_ + "/" + kLock, O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
  struct flock whole{};
  whole.l_type = F_WRLCK;
  whole.l_whence = SEEK_SET;
  if (!lock || ::fcntl(lock->get(), F_OFD_SETLK, &whole) < 0) return;
  struct stat status{};
  if (::stat(path().c_str(), &status) < 0 || static_cast<uint64_t>(status.st_size) < most_bytes_) return;
  for (uint32_t number = kFiles - 1; number > 0; --number)
    ::rename(path(number - 1).c_str(), path(number).c_str());  // Early on, the older ones are not there.
}

}  // namespace cloche::sandbox

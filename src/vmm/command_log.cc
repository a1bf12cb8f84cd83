#include "vmm/command_log.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sandbox/state.h"
#include "sandbox/utc_time.h"

namespace cloche {

std::string CommandLog::path(uint32_t number) const {
  return number == 0 ? newest_ : fmt::format("{}.{}", newest_, number);
}

Result<CommandLog> CommandLog::open(const std::string& directory, const std::string& name, Limits limits) {
  CommandLog log(directory + "/" + name, limits);
  TRY(log.open_newest());
  return log;
}

Result<void> CommandLog::open_newest() {
  file_ = TRY(open_file(path(0), O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW, 0600));
  struct stat status{};
  if (::fstat(file_.get(), &status) < 0) return fail_errno("look at " + path(0));
  size_ = static_cast<uint64_t>(status.st_size);
  return {};
}

Result<void> CommandLog::rotate() {
  if (limits_.files == 1) ::unlink(path(0).c_str());
  for (uint32_t number = limits_.files - 1; number > 0; --number)
    ::rename(path(number - 1).c_str(), path(number).c_str());  // Early on, the older ones are not there.
  return open_newest();
}

Result<void> CommandLog::append(LogStream stream, std::span<const std::byte> bytes) {
  std::string& rest = rest_[static_cast<size_t>(stream)];
  std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  while (!text.empty()) {
    size_t end = text.find('\n');
    size_t take = std::min(end == std::string_view::npos ? text.size() : end, kMostLine - rest.size());
    rest += text.substr(0, take);
    text.remove_prefix(take);
    if (text.starts_with('\n')) {
      TRY(keep(stream, 'F'));
      text.remove_prefix(1);
    } else if (rest.size() == kMostLine) {
      TRY(keep(stream, 'P'));
    }
  }
  return flush();
}

Result<void> CommandLog::end() {
  for (LogStream stream : {LogStream::kOutput, LogStream::kError})
    if (!rest_[static_cast<size_t>(stream)].empty()) TRY(keep(stream, 'P'));
  return flush();
}

// What there is of a line becomes an entry.
Result<void> CommandLog::keep(LogStream stream, char tag) {
  std::string& text = rest_[static_cast<size_t>(stream)];
  std::string entry = fmt::format("{} {} {} ", sandbox::utc_text(sandbox::realtime_now_ns()),
                                  stream == LogStream::kOutput ? "stdout" : "stderr", tag);
  entry.append(text).append("\n");
  text.clear();
  if (size_ + unwritten_.size() + entry.size() > limits_.bytes && size_ + unwritten_.size() > 0) {
    TRY(flush());
    TRY(rotate());
  }
  unwritten_ += entry;
  return {};
}

Result<void> CommandLog::flush() {
  auto written = write_full(file_.get(), std::as_bytes(std::span(unwritten_)));
  size_ += unwritten_.size();
  unwritten_.clear();
  return written;
}

}  // namespace cloche

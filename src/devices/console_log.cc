#include "devices/console_log.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "base/self_fd.h"

namespace cloche {

std::string printable(std::span<const std::byte> bytes) {
  std::string text;
  text.reserve(bytes.size());
  for (std::byte byte : bytes) {
    auto character = std::to_integer<unsigned char>(byte);
    if (character == '\r') continue;
    if (character == '\n' || character == '\t' || (character >= 0x20 && character <= 0x7e)) {
      text.push_back(static_cast<char>(character));
    } else {
      fmt::format_to(std::back_inserter(text), "\\x{:02x}", character);
    }
  }
  return text;
}

Result<void> ConsoleLog::tee(Fd fd, Tee how) {
  struct stat status;
  if (::fstat(fd.get(), &status) < 0) return fail_errno("look at the console's output");
  if (S_ISFIFO(status.st_mode) || S_ISCHR(status.st_mode)) {
    std::string path = self_fd_path(fd.get());
    fd = TRY(open_file(path, O_WRONLY | O_NONBLOCK | O_NOCTTY));
  }
  std::lock_guard lock(mutex_);
  tee_ = std::move(fd);
  tee_how_ = how;
  tee_socket_ = S_ISSOCK(status.st_mode);
  return {};
}

void ConsoleLog::append(std::span<const std::byte> bytes) {
  std::lock_guard lock(mutex_);
  keep(bytes);
  if (!tee_) return;
  if (tee_how_ == Tee::kRaw) return pass_on(bytes);
  std::string text = printable(bytes);
  pass_on(std::as_bytes(std::span(text)));
}

void ConsoleLog::keep(std::span<const std::byte> bytes) {
  if (bytes.size() > kCapacity) bytes = bytes.last(kCapacity);
  size_t growth = std::min(bytes.size(), kCapacity - ring_.size());
  ring_.insert(ring_.end(), bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(growth));
  for (std::byte byte : bytes.subspan(growth)) {
    ring_[next_] = byte;
    next_ = (next_ + 1) % kCapacity;
  }
}

void ConsoleLog::pass_on(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    ssize_t put = tee_socket_ ? ::send(tee_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL)
                              : ::write(tee_.get(), bytes.data(), bytes.size());
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) {
      dropped_bytes_ += bytes.size();
      // A reader that is slow may come back; one that is gone, or a full disk, would only fail again at each byte.
      if (put == 0 || errno != EAGAIN) tee_.reset();
      return;
    }
    bytes = bytes.subspan(static_cast<size_t>(put));
  }
}

std::vector<std::byte> ConsoleLog::kept() const {
  std::lock_guard lock(mutex_);
  std::vector<std::byte> bytes(ring_.begin() + static_cast<ptrdiff_t>(next_), ring_.end());
  bytes.insert(bytes.end(), ring_.begin(), ring_.begin() + static_cast<ptrdiff_t>(next_));
  return bytes;
}

std::string ConsoleLog::last_lines(size_t count) const {
  if (count == 0) return {};
  std::string text = printable(kept());
  size_t start = text.size();
  // A newline at the very end finishes the last line rather than beginning another.
  if (start != 0 && text[start - 1] == '\n') --start;
  for (; start != 0; --start)
    if (text[start - 1] == '\n' && --count == 0) break;
  return text.substr(start);
}

uint64_t ConsoleLog::dropped_bytes() const {
  std::lock_guard lock(mutex_);
  return dropped_bytes_;
}

}  // namespace cloche

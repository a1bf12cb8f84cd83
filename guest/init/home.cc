#include "guest/init/home.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>

namespace cloche::init {
namespace {

constexpr size_t kMaxPasswd = 64 << 10;  // Of a longer file only the beginning is looked at.

// Cuts the text before `separator` off the front of `text`.
std::string_view cut(std::string_view& text, char separator) {
  size_t end = std::min(text.find(separator), text.size());
  std::string_view front = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return front;
}

bool is_number(std::string_view text, uint32_t number) {
  uint64_t value = 0;
  if (text.empty() || text.size() > 10) return false;
  for (char digit : text) {
    if (digit < '0' || digit > '9') return false;
    value = value * 10 + static_cast<uint64_t>(digit - '0');
  }
  return value == number;
}

}  // namespace

std::string_view home_in(std::string_view passwd, uint32_t uid) {
  while (!passwd.empty()) {
    std::string_view line = cut(passwd, '\n');
    std::array<std::string_view, 6> fields;  // name:password:uid:gid:comment:home:shell
    for (std::string_view& field : fields) field = cut(line, ':');
    if (is_number(fields[2], uid)) return fields[5];
  }
  return {};
}

std::string home_of(uint32_t uid) {
  std::string text;
  int fd = ::open("/etc/passwd", O_RDONLY | O_CLOEXEC);
  if (fd >= 0) {
    text.resize(kMaxPasswd);
    size_t size = 0;
    for (ssize_t got; size < text.size() && (got = ::read(fd, text.data() + size, text.size() - size)) > 0;)
      size += static_cast<size_t>(got);
    text.resize(size);
    ::close(fd);
  }
  std::string_view home = home_in(text, uid);
  return home.empty() ? "/" : std::string(home);
}

}  // namespace cloche::init

#include "cli/say.h"

#include <unistd.h>

#include <cerrno>
#include <string>

#include "cli/command.h"

namespace cloche::cli {
namespace {

bool write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    ssize_t put = ::write(fd, text.data(), text.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return false;  // Nobody to tell.
    text.remove_prefix(static_cast<size_t>(put));
  }
  return true;
}

}  // namespace

void say(std::string_view line) { write_all(STDERR_FILENO, std::string("cloche: ").append(line).append("\n")); }
void say_plain(std::string_view text) { write_all(STDERR_FILENO, text); }
void print(std::string_view text) { write_all(STDOUT_FILENO, text); }
bool pass_on(Output output, std::string_view text) {
  return write_all(output == Output::kError ? STDERR_FILENO : STDOUT_FILENO, text);
}

int complain(const Error& error) {
  say(error.message());
  return kOurs;
}

}  // namespace cloche::cli

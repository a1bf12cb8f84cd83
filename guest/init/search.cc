#include "guest/init/search.h"

#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>

namespace cloche::init {
namespace {

char kShell[] = "/bin/sh";

// No script, as shells decide it: a NUL byte at its beginning. A program of another processor is one such.
bool is_binary(const char* path) {
  char beginning[128];
  int fd = ::open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  ssize_t got = ::read(fd, beginning, sizeof beginning);
  ::close(fd);
  return got > 0 && std::memchr(beginning, '\0', static_cast<size_t>(got)) != nullptr;
}

Refusal attempt(char* path, char** arguments, char** environment) {
  ::execve(path, arguments + 1, environment);
  if (errno == ENOENT) return {ENOENT, ::access(path, F_OK) != 0};
  if (errno != ENOEXEC || is_binary(path)) return {errno, errno == ENOTDIR};
  arguments[0] = kShell;
  arguments[1] = path;
  ::execve(kShell, arguments, environment);
  return {ENOEXEC, false};
}

std::string_view search_path(char** environment) {
  constexpr std::string_view kName = "PATH=";
  for (char** each = environment; *each != nullptr; ++each)
    if (std::string_view(*each).starts_with(kName)) return std::string_view(*each).substr(kName.size());
  return kDefaultPath;
}

// What execvp passes over on its way through PATH.
bool is_elsewhere(int error) {
  return error == ENOENT || error == ENOTDIR || error == EACCES || error == ESTALE || error == ENODEV ||
         error == ETIMEDOUT || error == ENAMETOOLONG;
}

}  // namespace

Refusal execute(char** arguments, char** environment) {
  std::string_view name = arguments[1];
  if (name.empty()) return {ENOENT, true};
  if (name.contains('/')) return attempt(arguments[1], arguments, environment);
  Refusal worst{ENOENT, true};  // The best reason that was found: one that is about a program that is there.
  char* program = arguments[1];
  std::string_view rest = search_path(environment);
  for (bool more = true; more;) {
    size_t colon = rest.find(':');
    std::string_view folder = rest.substr(0, colon);
    more = colon != std::string_view::npos;
    if (more) rest.remove_prefix(colon + 1);
    char path[PATH_MAX];
    if (folder.size() + 1 + name.size() >= sizeof path) continue;
    char* end = std::copy(folder.begin(), folder.end(), path);
    if (!folder.empty()) *end++ = '/';  // An empty entry is the working directory.
    *std::copy(name.begin(), name.end(), end) = '\0';
    Refusal refusal = attempt(path, arguments, environment);
    arguments[1] = program;
    if (!is_elsewhere(refusal.error)) return refusal;
    if (!refusal.missing) worst = refusal;
  }
  return worst;
}

}  // namespace cloche::init

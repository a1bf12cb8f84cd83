#include "guest/init/paths.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

namespace cloche::init {
namespace {

constexpr int kMaxLinks = 16;  // On one path; the kernel allows 40.

std::string parent_of(const std::string& path) {
  size_t end = path.find_last_not_of('/');
  size_t slash = path.find_last_of('/', end);
  return slash == std::string::npos || slash == 0 ? "/" : path.substr(0, slash);
}

// Where the link `path` leads, seen from "/"; empty when it is no link. A function of its own for its large frame.
[[gnu::noinline]] std::string link_target(const std::string& path) {
  char target[PATH_MAX];
  ssize_t size = ::readlink(path.c_str(), target, sizeof target);
  if (size <= 0) return {};
  std::string text(target, static_cast<size_t>(size));
  return text[0] == '/' ? text : parent_of(path) + "/" + text;
}

// Recursion is bounded by PATH_MAX and kMaxLinks.
Result<void> make(const std::string& path, Place place, int links) {
  if (path.size() >= PATH_MAX) return failed("make " + path.substr(0, NAME_MAX), ENAMETOOLONG);
  struct stat status{};
  if (::stat(path.c_str(), &status) == 0) return {};
  std::string target = link_target(path);
  if (!target.empty()) {
    if (links == kMaxLinks) return failed("follow " + path, ELOOP);
    return make(target, place, links + 1);
  }
  std::string parent = parent_of(path);
  if (parent.size() < path.size()) TRY(make(parent, Place::kDirectory, links));
  if (place == Place::kDirectory) {
    if (::mkdir(path.c_str(), 0755) < 0 && errno != EEXIST) return failed("make directory " + path);
    return {};
  }
  int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (fd < 0 && errno != EEXIST) return failed("make file " + path);
  if (fd >= 0) ::close(fd);
  return {};
}

}  // namespace

Result<void> make_place(const std::string& path, Place place) { return make(path, place, 0); }

size_t path_depth(std::string_view path) {
  size_t depth = 0;
  while (!path.empty()) {
    size_t slash = std::min(path.find('/'), path.size());
    std::string_view name = path.substr(0, slash);
    if (!name.empty() && name != ".") ++depth;
    path.remove_prefix(std::min(slash + 1, path.size()));
  }
  return depth;
}

}  // namespace cloche::init

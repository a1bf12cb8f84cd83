#include "api/kvm_cache.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <cstdlib>

#include "base/fd.h"

namespace cloche {
namespace {

constexpr const char* kName = "/kvm-speed";
constexpr size_t kMostBytes = 256;

// The kernel's name for this boot; a file of an earlier one is stale.
std::string boot_id() {
  std::string id = read_text_file("/proc/sys/kernel/random/boot_id", kMostBytes).value_or("");
  if (id.ends_with('\n')) id.pop_back();
  return id;
}

bool is_ours_alone(const std::string& directory) {
  struct stat status{};
  if (::lstat(directory.c_str(), &status) < 0) return false;
  return S_ISDIR(status.st_mode) && status.st_uid == ::geteuid() && (status.st_mode & 077) == 0;
}

std::string own_directory(const std::string& path) {
  ::mkdir(path.c_str(), 0700);
  return is_ours_alone(path) ? path : "";
}

}  // namespace

std::string private_directory() {
  const char* runtime = std::getenv("XDG_RUNTIME_DIR");
  if (runtime != nullptr && *runtime == '/') {
    std::string own = own_directory(std::string(runtime) + "/cloche");
    if (!own.empty()) return own;
  }
  return own_directory(fmt::format("/dev/shm/cloche-{}", ::geteuid()));
}

std::optional<uint64_t> cached_speed(const std::string& directory) {
  if (directory.empty()) return std::nullopt;
  auto text = read_text_file(directory + kName, kMostBytes);
  std::string id = boot_id();
  if (!text || id.empty() || !text->starts_with(id + " ")) return std::nullopt;
  uint64_t speed = 0;
  const char* begin = text->data() + id.size() + 1;
  const char* end = text->data() + text->size();
  auto [stop, error] = std::from_chars(begin, end, speed);
  if (error != std::errc() || stop == end || *stop != '\n') return std::nullopt;
  return speed;
}

void cache_speed(const std::string& directory, uint64_t instructions_per_second) {
  std::string id = boot_id();
  if (directory.empty() || id.empty()) return;
  // Written aside and renamed, so that nobody reads half of it.
  std::string path = directory + kName, aside = fmt::format("{}.{}", path, ::getpid());
  std::string text = fmt::format("{} {}\n", id, instructions_per_second);
  auto fd = open_file(aside, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600);
  bool whole = fd && write_full(fd->get(), std::as_bytes(std::span(text)));
  if (!whole || ::rename(aside.c_str(), path.c_str()) < 0) ::unlink(aside.c_str());
}

}  // namespace cloche

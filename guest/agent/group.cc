#include "guest/agent/group.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <charconv>
#include <filesystem>

#include "base/fd.h"

namespace cloche::agent {
namespace {

constexpr size_t kMostListed = 1 << 20;

std::string folder_in(const std::string& top) { return top + "/exec"; }

bool set(const std::string& path, std::string_view value) {
  auto file = open_file(path, O_WRONLY);
  return file && write_full(file->get(), std::as_bytes(std::span(value))).has_value();
}

}  // namespace

Group Group::create(const std::string& top) {
  Group group;
  if (top.empty()) return group;
  ::mkdir(folder_in(top).c_str(), 0755);
  // Each connection has its own process, and it serves one command at a time.
  static unsigned count = 0;
  std::string path = fmt::format("{}/{}-{}", folder_in(top), ::getpid(), count++);
  if (::mkdir(path.c_str(), 0755) < 0) return group;
  group.top_ = top;
  group.path_ = std::move(path);
  return group;
}

Group::Group(Group&& other) noexcept
    : top_(std::move(other.top_)), path_(std::exchange(other.path_, {})), leader_(other.leader_) {}

Group::~Group() {
  if (!path_.empty()) ::rmdir(path_.c_str());
}

void Group::enter() const {
  if (!path_.empty()) set(path_ + "/cgroup.procs", "0");
}

void Group::leave() const {
  if (!path_.empty()) set(top_ + "/cgroup.procs", "0");
}

void Group::signal_leader(int number) const {
  if (leader_ > 1) ::kill(-leader_, number);
}

void Group::signal_all(int number) const {
  signal_leader(number);
  if (path_.empty() || (number == SIGKILL && set(path_ + "/cgroup.kill", "1"))) return;
  auto text = read_text_file(path_ + "/cgroup.procs", kMostListed);
  if (!text) return;
  const char* end = text->data() + text->size();
  for (const char* at = text->data(); at < end;) {
    pid_t pid = 0;
    at = std::from_chars(at, end, pid).ptr + 1;
    if (pid > 1) ::kill(pid, number);
  }
}

void sweep_groups(const std::string& top) {
  if (top.empty()) return;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder_in(top), error))
    if (entry.is_directory(error)) ::rmdir(entry.path().c_str());
}

}  // namespace cloche::agent

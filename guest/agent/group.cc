#include "guest/agent/group.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <charconv>
#include <filesystem>

namespace cloche::agent {
namespace {

constexpr size_t kMostListed = 1 << 20;

std::string folder_in(const std::string& top) { return top + "/exec"; }

bool set(const std::string& path, std::string_view value) {
  auto file = open_file(path, O_WRONLY);
  return file && write_full(file->get(), std::as_bytes(std::span(value))).has_value();
}

}  // namespace

Group::Group(Group&& other) noexcept
    : groups_(other.groups_),
      path_(std::exchange(other.path_, {})),
      joining_(std::move(other.joining_)),
      leader_(other.leader_) {}

Group::~Group() {
  if (!path_.empty()) groups_->give_back(std::move(path_), std::move(joining_));
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

Groups::~Groups() {
  if (!spare_.empty()) ::rmdir(spare_.c_str());
}

Group Groups::take() {
  Group group(*this);
  if (top_.empty()) return group;
  if (spare_.empty()) {
    sweep();
    ::mkdir(folder_in(top_).c_str(), 0755);
    std::string path;
    int made;
    do {  // One of a process that had our number before may still be in use.
      path = fmt::format("{}/{}-{}", folder_in(top_), ::getpid(), made_++);
      made = ::mkdir(path.c_str(), 0755);
    } while (made < 0 && errno == EEXIST);
    if (made < 0) return group;
    spare_ = std::move(path);
    spare_joining_ = open_file(spare_ + "/cgroup.procs", O_WRONLY).value_or(Fd());
  }
  group.path_ = std::exchange(spare_, {});
  group.joining_ = std::move(spare_joining_);
  return group;
}

void Groups::give_back(std::string path, Fd joining) {
  auto events = read_text_file(path + "/cgroup.events", kMostListed);
  bool is_empty = events && events->find("populated 0") != std::string::npos;
  if (is_empty && spare_.empty()) {
    spare_ = std::move(path);
    spare_joining_ = std::move(joining);
  } else if (::rmdir(path.c_str()) < 0) {
    left_.push_back(std::move(path));
  }
}

void Groups::sweep() {
  std::erase_if(left_, [](const std::string& path) { return ::rmdir(path.c_str()) == 0; });
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder_in(top_), error)) {
    if (!entry.is_directory(error)) continue;
    std::string name = entry.path().filename();
    pid_t maker = 0;
    std::from_chars(name.data(), name.data() + name.size(), maker);
    if (maker > 0 && ::kill(maker, 0) < 0 && errno == ESRCH) ::rmdir(entry.path().c_str());
  }
}

}  // namespace cloche::agent

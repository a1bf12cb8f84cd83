#include "sandbox/cgroup.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <sstream>

#include "base/fd.h"
#include "base/private_files.h"

namespace cloche::sandbox {
namespace {

constexpr const char* kNote = "/cgroup";  // In the run directory: the group, and where its process came from.
constexpr uint32_t kPeriodUs = 100'000;
constexpr uint64_t kThousandthUs = kPeriodUs / 1000;
constexpr int kLooks = 100;
constexpr useconds_t kLookUs = 2'000;
constexpr int kTries = 3;  // Whoever tidies up may take a group that is still empty.

Result<void> set(const std::string& path, const std::string& value) {
  Fd file = TRY(open_file(path, O_WRONLY));
  if (::write(file.get(), value.data(), value.size()) != static_cast<ssize_t>(value.size()))
    return fail_errno(fmt::format("write {} to {}", value, path));
  return {};
}

std::vector<std::string> words_of(const std::string& text) {
  std::istringstream words(text);
  std::vector<std::string> all;
  for (std::string word; words >> word;) all.push_back(word);
  return all;
}

// The first of `wanted` that the file does not name; empty when it names all.
std::string missing_in(const std::string& path, const std::vector<std::string>& wanted) {
  std::vector<std::string> there = words_of(read_text_file(path).value_or(""));
  for (const std::string& each : wanted)
    if (std::ranges::find(there, each) == there.end()) return each;
  return {};
}

std::string parent_of(const std::string& path) {
  size_t slash = path.rfind('/');
  return slash == 0 ? "/" : path.substr(0, slash);
}

std::string directory_of(const CgroupPlace& place, const std::string& path) {
  return path == "/" ? place.top : place.top + path;
}

bool may_make_groups_in(const std::string& directory) {
  return ::access(directory.c_str(), W_OK) == 0 && ::access((directory + "/cgroup.procs").c_str(), W_OK) == 0;
}

enum class Missing : uint8_t { kTurnOn, kLeave };

// Whether groups with these controllers can be made directly in `directory`, or why not.
Result<void> try_parent(const std::string& directory, const std::vector<std::string>& controllers, Missing missing) {
  if (!may_make_groups_in(directory))
    return fail(ErrorCode::kPermission, fmt::format("{} is not yours to divide", directory));
  if (std::string lacks = missing_in(directory + "/cgroup.controllers", controllers); !lacks.empty())
    return fail(ErrorCode::kUnavailable, fmt::format("{} has no controller '{}' to give", directory, lacks));
  std::string off = missing_in(directory + "/cgroup.subtree_control", controllers);
  if (off.empty()) return {};
  std::string control = directory + "/cgroup.subtree_control", turned_on;
  if (::access(control.c_str(), W_OK) != 0)
    return fail(ErrorCode::kPermission, fmt::format("{} is not yours to write", control));
  bool is_root = ::access((directory + "/cgroup.type").c_str(), F_OK) != 0;  // Which the root group does not have.
  if (!is_root && !read_text_file(directory + "/cgroup.procs").value_or("").empty())
    return fail(ErrorCode::kUnavailable, fmt::format("{} holds processes itself", directory));
  if (missing == Missing::kLeave) return {};
  for (const std::string& each : controllers) turned_on.append(turned_on.empty() ? "+" : " +").append(each);
  return set(control, turned_on);
}

Result<std::string> walk_up(const CgroupPlace& place, const std::vector<std::string>& controllers, Missing missing) {
  Error last;
  for (std::string path = place.path;; path = parent_of(path)) {
    auto tried = try_parent(directory_of(place, path), controllers, missing);
    if (tried) return directory_of(place, path);
    // What is said is what kept us from the last one that is ours, or from all.
    if (last.what.empty() || tried.error().code != ErrorCode::kPermission) last = std::move(tried).error();
    if (path == "/") return std::unexpected(std::move(last));
  }
}

Result<CgroupPlace> own_place() {
  return find_cgroup(TRY(read_text_file("/proc/self/cgroup")), TRY(read_text_file("/proc/self/mountinfo")));
}

Result<void> write_limits(const std::string& group, const wire::VmLimits& limits) {
  if (limits.cpu_thousandths != 0)
    TRY(set(group + "/cpu.max", fmt::format("{} {}", limits.cpu_thousandths * kThousandthUs, kPeriodUs)));
  if (limits.memory_bytes != 0) {
    TRY(set(group + "/memory.max", std::to_string(limits.memory_bytes)));
    // Without this the limit is one of memory only, and swap takes the rest. Not every kernel counts it.
    static_cast<void>(set(group + "/memory.swap.max", "0"));
  }
  if (limits.processes != 0) TRY(set(group + "/pids.max", std::to_string(limits.processes)));
  return {};
}

struct Note {
  std::string group, origin;
};

std::optional<Note> read_note(const std::string& run_directory) {
  std::string text = read_text_file(run_directory + kNote).value_or("");
  size_t first = text.find('\n'), second = first == std::string::npos ? first : text.find('\n', first + 1);
  if (second == std::string::npos || first == 0) return std::nullopt;
  return Note{text.substr(0, first), text.substr(first + 1, second - first - 1)};
}

Result<void> make_and_enter(const std::string& group, const wire::VmLimits& limits) {
  ::rmdir(group.c_str());  // Of a process that was killed.
  if (::mkdir(group.c_str(), 0755) < 0) return fail_errno("create " + group);
  TRY(write_limits(group, limits));
  return set(group + "/cgroup.procs", "0");
}

}  // namespace

Result<CgroupPlace> find_cgroup(const std::string& groups, const std::string& mounts) {
  CgroupPlace place;
  std::istringstream lines(groups);
  for (std::string line; std::getline(lines, line);)
    if (line.starts_with("0::")) place.path = line.substr(3);
  if (place.path.empty()) return fail(ErrorCode::kUnavailable, "this kernel has no cgroup v2");
  // "36 35 0:30 ROOT MOUNT OPTIONS [TAGS] - TYPE SOURCE ..." (proc(5)).
  std::istringstream all(mounts);
  for (std::string line; std::getline(all, line);) {
    size_t dash = line.find(" - cgroup2 ");
    std::vector<std::string> words = words_of(line.substr(0, dash == std::string::npos ? 0 : dash));
    if (words.size() < 5) continue;
    const std::string& root = words[3];
    bool beneath = root == "/" || place.path == root || place.path.starts_with(root + "/");
    if (!beneath || root.starts_with("/..")) continue;
    if (root != "/") place.path = place.path == root ? "/" : place.path.substr(root.size());
    place.top = words[4];
  }
  if (place.top.empty() || place.path.starts_with("/.."))
    return fail(ErrorCode::kUnavailable, fmt::format("the cgroup v2 of this process ({}) is not mounted", place.path));
  return place;
}

bool has_limits(const wire::VmLimits& limits) { return !controllers_of(limits).empty(); }

std::vector<std::string> controllers_of(const wire::VmLimits& limits) {
  std::vector<std::string> all;
  if (limits.cpu_thousandths != 0) all.emplace_back("cpu");
  if (limits.memory_bytes != 0) all.emplace_back("memory");
  if (limits.processes != 0) all.emplace_back("pids");
  return all;
}

Result<std::string> find_parent(const CgroupPlace& place, const std::vector<std::string>& controllers) {
  return walk_up(place, controllers, Missing::kTurnOn);
}

Result<std::string> examine_cgroups() { return walk_up(TRY(own_place()), {"cpu", "memory", "pids"}, Missing::kLeave); }

Result<void> enter_cgroup(const wire::VmLimits& limits, const std::string& id, const std::string& run_directory) {
  auto entered = [&]() -> Result<void> {
    CgroupPlace place = TRY(own_place());
    std::string group = TRY(find_parent(place, controllers_of(limits))) + "/cloche-" + id;
    std::string note = fmt::format("{}\n{}\n", group, directory_of(place, place.path));
    TRY(write_private_file(run_directory + kNote, std::as_bytes(std::span(note))));
    for (int left = kTries;; --left) {
      auto made = make_and_enter(group, limits);
      if (made) return {};
      if (left > 1 && made.error().sys_errno == ENOENT) continue;
      remove_cgroup(run_directory);
      return made;
    }
  }();
  if (!entered) return std::unexpected(std::move(entered).error().in("limit what its process may have of the host"));
  return entered;
}

void leave_cgroup(const std::string& run_directory) {
  auto note = read_note(run_directory);
  if (!note) return;
  static_cast<void>(set(note->origin + "/cgroup.procs", "0"));
  if (::rmdir(note->group.c_str()) == 0) ::unlink((run_directory + kNote).c_str());
}

void remove_cgroup(const std::string& run_directory) {
  auto note = read_note(run_directory);
  if (!note) return;
  // The kernel lets go of a process's lock a moment before it takes it out of its group.
  bool gone = false;
  for (int left = kLooks; left > 0 && !gone; --left) {
    gone = ::rmdir(note->group.c_str()) == 0 || errno == ENOENT;
    if (!gone && errno == EBUSY) ::usleep(kLookUs);
  }
  if (gone) ::unlink((run_directory + kNote).c_str());
}

}  // namespace cloche::sandbox

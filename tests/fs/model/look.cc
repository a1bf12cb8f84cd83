// Operations that look at names and attributes, and the look at everything.
#include <dirent.h>
#include <sys/stat.h>

#include <set>

#include "state.h"

namespace cloche::model {
namespace {

mode_t file_type(Type type) {
  switch (type) {
    case Type::kFile:
      return S_IFREG;
    case Type::kDirectory:
      return S_IFDIR;
    case Type::kSymlink:
      return S_IFLNK;
    case Type::kFifo:
      return S_IFIFO;
    case Type::kWhiteout:
      return S_IFCHR;
  }
  return 0;
}

void compare(State& state, const struct stat& got, const Node& node) {
  mode_t mode = node.type == Type::kSymlink ? 0777 : node.mode;
  expect(state, "mode", got.st_mode, file_type(node.type) | mode);
  expect(state, "links", static_cast<long>(got.st_nlink), static_cast<long>(node.links()));
  if (!node.is_directory()) expect(state, "size", got.st_size, static_cast<long>(node.data.size()));
  if (!node.modified) return;
  expect(state, "mtime", got.st_mtim.tv_sec, node.modified->tv_sec);
  expect(state, "mtime's nanoseconds", got.st_mtim.tv_nsec, node.modified->tv_nsec);
}

// The names in a directory, checked to be there once.
std::set<std::string> names_in(State& state, DIR* directory) {
  std::set<std::string> names;
  while (const dirent* entry = ::readdir(directory)) {
    if (!names.insert(entry->d_name).second) differs(state, "a name twice in a directory");
  }
  for (const char* dots : {".", ".."})
    if (names.erase(dots) == 0) differs(state, "no dots in a directory");
  return names;
}

void list(State& state, const std::string& path, const Node& node) {
  DIR* directory = ::opendir(path.c_str());
  if (directory == nullptr) differs(state, "cannot open directory " + path);
  std::set<std::string> names = names_in(state, directory);
  for (auto& [name, child] : node.children)
    if (names.erase(name) == 0) differs(state, "a directory lacks " + path + "/" + name);
  if (!names.empty()) differs(state, "a directory has, too many, " + path + "/" + *names.begin());
  ::closedir(directory);
}

std::string contents(State& state, const std::string& path) {
  int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) differs(state, "cannot open " + path);
  std::string all;
  char* at = state.buffer[0].bytes;
  for (ssize_t got; (got = ::read(fd, at, state.largest)) > 0;) all.append(at, static_cast<size_t>(got));
  ::close(fd);
  return all;
}

void check(State& state, const std::string& path, const Node& node) {
  struct stat got{};
  if (::lstat(path.c_str(), &got) < 0) differs(state, "cannot look at " + path);
  compare(state, got, node);
  if (node.type == Type::kFile) expect_bytes(state, path, contents(state, path), node.data);
  if (!node.is_directory()) return;
  list(state, path, node);
  for (auto& [name, child] : node.children) check(state, path + "/" + name, *child);
}

}  // namespace

void do_stat(State& state) {
  std::string path = pick_path(state);
  bool follow = state.random.one_in(2);
  Place place = state.tree.find(path, follow ? Last::kFollow : Last::kKeep);
  say(state, follow ? "stat" : "lstat", path);
  struct stat got{};
  int failed = err(follow ? ::stat(path.c_str(), &got) : ::lstat(path.c_str(), &got));
  expect_error(state, "stat", failed, place.missing());
  if (failed == 0) compare(state, got, *place.node);
}

void do_stat_handle(State& state) {
  Handle* handle = pick_handle(state);
  if (handle == nullptr) return;
  say(state, "fstat", handle->fd);
  struct stat got{};
  expect_error(state, "fstat", err(::fstat(handle->fd, &got)), 0);
  compare(state, got, *handle->node);
}

// The owner keeps all rights: who may do what is not what this program is about.
void do_chmod(State& state) {
  std::string path = pick_path(state);
  auto mode = static_cast<mode_t>(0700 | state.random.below(0100));
  Place place = state.tree.find(path, Last::kFollow);
  say(state, "chmod", path, std::oct, mode);
  int failed = err(::chmod(path.c_str(), mode));
  expect_error(state, "chmod", failed, place.missing());
  if (failed == 0) place.node->mode = mode;
}

void do_times(State& state) {
  std::string path = pick_path(state);
  timespec time{static_cast<time_t>(1'000'000'000 + state.random.below(1'000'000'000)),
                static_cast<long>(state.random.below(1'000'000'000))};
  timespec times[2] = {time, time};
  Place place = state.tree.find(path, Last::kKeep);
  say(state, "utimens", path, time.tv_sec, time.tv_nsec);
  int failed = err(::utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW));
  expect_error(state, "utimens", failed, place.missing());
  if (failed == 0 && place.node->type == Type::kFile && !place.node->mapped) place.node->modified = time;
}

void do_readlink(State& state) {
  std::string path = pick_path(state);
  Place place = state.tree.find(path, Last::kKeep);
  int wanted = place.missing();
  if (wanted == 0 && place.node->type != Type::kSymlink) wanted = EINVAL;
  say(state, "readlink", path);
  char target[1024];
  ssize_t size = ::readlink(path.c_str(), target, sizeof target);
  expect_error(state, "readlink", err(size), wanted);
  if (size >= 0) expect_bytes(state, "readlink", {target, static_cast<size_t>(size)}, place.node->data);
}

void do_list(State& state) {
  std::string path = state.random.one_in(3) ? "." : pick_path(state);
  Place place = state.tree.find(path, Last::kFollow);
  int wanted = place.missing();
  if (wanted == 0 && !place.node->is_directory()) wanted = ENOTDIR;
  say(state, "list", path);
  DIR* directory = ::opendir(path.c_str());
  expect_error(state, "opendir", directory == nullptr ? errno : 0, wanted);
  if (directory == nullptr) return;
  ::closedir(directory);
  list(state, path, *place.node);
}

void do_check_all(State& state) {
  say(state, "look at everything");
  check(state, ".", *state.tree.root());
}

}  // namespace cloche::model

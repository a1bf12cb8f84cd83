// Operations on names.
#include <stdio.h>
#include <sys/stat.h>

#include "state.h"

namespace cloche::model {
namespace {

// Never with "..": the tree is not to be left.
std::string pick_target(State& state) {
  std::string target = pick_name(state);
  return state.random.one_in(3) ? target + "/" + pick_name(state) : target;
}

}  // namespace

void do_make(State& state) {
  if (is_crowded(state)) return;
  std::string path = pick_path(state);
  switch (state.random.below(4)) {
    case 0: {
      std::string target = pick_target(state);
      say(state, "symlink", path, "to", target);
      int failed = err(::symlink(target.c_str(), path.c_str()));
      expect_error(state, "symlink", failed, state.tree.make(path, {.type = Type::kSymlink, .data = target}));
      break;
    }
    case 1: {
      say(state, "mkfifo", path);
      int failed = err(::mkfifo(path.c_str(), 0640));
      expect_error(state, "mkfifo", failed, state.tree.make(path, {.type = Type::kFifo, .mode = 0640}));
      break;
    }
    default: {
      say(state, "mkdir", path);
      int failed = err(::mkdir(path.c_str(), 0750));
      expect_error(state, "mkdir", failed, state.tree.make(path, {.type = Type::kDirectory, .mode = 0750}));
      break;
    }
  }
}

void do_unlink(State& state) {
  std::string path = pick_path(state);
  say(state, "unlink", path);
  expect_error(state, "unlink", err(::unlink(path.c_str())), state.tree.unlink(path));
}

void do_rmdir(State& state) {
  std::string path = pick_path(state);
  say(state, "rmdir", path);
  expect_error(state, "rmdir", err(::rmdir(path.c_str())), state.tree.rmdir(path));
}

void do_rename(State& state) {
  static constexpr unsigned kFlags[] = {0, 0, RENAME_NOREPLACE, RENAME_EXCHANGE, RENAME_EXCHANGE, RENAME_WHITEOUT};
  unsigned flags = kFlags[state.random.below(state.features.whiteout ? 6 : 5)];
  std::string from = pick_path(state), to = pick_path(state);
  say(state, "rename", from, "to", to, "flags", flags);
  int failed = err(::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), flags));
  expect_error(state, "rename", failed, state.tree.rename(from, to, flags));
}

void do_link(State& state) {
  std::string from = pick_path(state), to = pick_path(state);
  say(state, "link", from, "to", to);
  expect_error(state, "link", err(::link(from.c_str(), to.c_str())), state.tree.link(from, to));
}

// Gives an open file a name, perhaps its first.
void do_link_handle(State& state) {
  Handle* handle = pick_handle(state);
  if (handle == nullptr) return;
  std::string from = "/proc/self/fd/" + std::to_string(handle->fd), to = pick_path(state);
  say(state, "link", handle->fd, "to", to);
  int failed = err(::linkat(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), AT_SYMLINK_FOLLOW));
  expect_error(state, "link", failed, state.tree.link(handle->node, to));
}

}  // namespace cloche::model

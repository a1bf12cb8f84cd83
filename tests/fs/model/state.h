// State: one run of the generator. An operation is done on the file system and on the model; what is not the same in
// both ends the program, with the operations that led there.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <deque>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "random.h"
#include "tree.h"

namespace cloche::model {

// What this file system lacks is expected to be refused.
struct Features {
  bool direct = false;      // O_DIRECT.
  bool zero_range = false;  // FALLOC_FL_ZERO_RANGE.
  bool shared_map = false;  // MAP_SHARED.
  bool tmpfile = false;     // O_TMPFILE.
  bool whiteout = false;    // RENAME_WHITEOUT.
  bool shift = false;       // FALLOC_FL_COLLAPSE_RANGE and FALLOC_FL_INSERT_RANGE.
};

struct Handle {
  int fd = -1;
  NodePtr node;
  int flags = 0;
  off_t position = 0;

  bool reads() const { return (flags & O_ACCMODE) != O_WRONLY; }
  bool writes() const { return (flags & O_ACCMODE) != O_RDONLY; }
  bool direct() const { return flags & O_DIRECT; }
  bool appends() const { return flags & O_APPEND; }
};

// A shared mapping that stays.
struct Map {
  char* at = nullptr;
  size_t size = 0;
  NodePtr node;
};

struct Range {
  off_t offset = 0;
  size_t size = 0;
  off_t end() const { return offset + static_cast<off_t>(size); }
};

inline constexpr size_t kPage = 4096;
struct alignas(kPage) Page {
  char bytes[kPage];
};

struct State {
  uint64_t seed = 0;
  Random random{0};
  Features features{};
  bool one_file = false;      // All operations go to one file; otherwise to a small tree.
  size_t largest = 0;         // Size of a file.
  bool sync_to_seek = false;  // SEEK_DATA and SEEK_HOLE may miss what was not synced.

  Tree tree{};
  std::vector<Handle> handles{};
  std::vector<Map> maps{};
  std::vector<Page> buffer{};  // Room for the largest file and a page.
  uint64_t operation = 0;
  std::deque<std::string> log{};  // The last operations.
};

// The result of a system call as an errno, 0 for success.
inline int err(long result) { return result < 0 ? errno : 0; }

void note(State& state, const std::string& line);
// Notes what is about to be done.
template <typename... Parts>
void say(State& state, const Parts&... parts) {
  std::ostringstream line;
  ((line << parts << ' '), ...);
  note(state, line.str());
}
[[noreturn]] void differs(const State& state, const std::string& what);
void expect(State& state, std::string_view what, long got, long wanted);
void expect_error(State& state, std::string_view what, int got, int wanted);
void expect_bytes(State& state, std::string_view what, std::string_view got, std::string_view wanted);

// Choices: a path that mostly exists; an open file, null when there is none; a place in it.
std::string pick_name(State& state);
std::string pick_path(State& state);
Handle* pick_handle(State& state);
Range pick_range(State& state, const Handle& handle);
bool is_crowded(const State& state);  // Nothing more is to be made.

using Act = void(State& state);
// Each file of operations, by what they are about.
Act do_open, do_close, do_tmpfile, do_read, do_write, do_truncate, do_truncate_path, do_fallocate, do_sync, do_copy,
    do_seek, do_forget;                                                               // data.cc
Act do_shift;                                                                         // shift.cc
Act do_map, do_keep_map, do_use_map, do_drop_map;                                     // maps.cc
Act do_make, do_unlink, do_rmdir, do_rename, do_link, do_link_handle;                 // names.cc
Act do_stat, do_stat_handle, do_chmod, do_times, do_readlink, do_list, do_check_all;  // look.cc

}  // namespace cloche::model

// fs_model: random operations on a file system, each compared with a model of it in memory.
//
// usage: fs_model DIR [--seconds N] [--operations N] [--seed S] [--one-file] [--sync-to-seek]
// DIR must be empty; what was made in it stays. --sync-to-seek: SEEK_DATA and SEEK_HOLE follow an fsync.
#include <linux/falloc.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <optional>

#include "state.h"

namespace cloche::model {
namespace {

struct Weighted {
  Act* act;
  unsigned in_tree, in_one_file;
};
constexpr Weighted kActs[] = {
    {do_open, 14, 3},       {do_close, 5, 2},     {do_tmpfile, 1, 0},       {do_read, 10, 20},   {do_write, 14, 20},
    {do_truncate, 3, 6},    {do_fallocate, 4, 8}, {do_truncate_path, 2, 3}, {do_sync, 2, 2},     {do_copy, 3, 8},
    {do_seek, 3, 4},        {do_map, 5, 10},      {do_keep_map, 1, 2},      {do_use_map, 3, 12}, {do_drop_map, 1, 1},
    {do_make, 10, 0},       {do_unlink, 6, 0},    {do_rmdir, 2, 0},         {do_rename, 10, 0},  {do_link, 4, 0},
    {do_link_handle, 2, 0}, {do_stat, 6, 2},      {do_chmod, 2, 1},         {do_times, 2, 2},    {do_stat_handle, 3, 2},
    {do_readlink, 2, 0},    {do_list, 4, 0},      {do_forget, 1, 2},        {do_shift, 2, 3},
};
constexpr uint64_t kCheckEach = 500;  // Operations between two looks at everything.

struct Limits {
  double seconds = 10;
  uint64_t operations = UINT64_MAX;
};

double now() {
  timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

bool opens(int flags) {
  int fd = ::open("probe", flags | O_CLOEXEC, 0600);
  if (fd >= 0) ::close(fd);
  return fd >= 0;
}

bool maps(int fd) {
  void* at = ::mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (at != MAP_FAILED) ::munmap(at, kPage);
  return at != MAP_FAILED;
}

Features probe() {
  Features features;
  int fd = ::open("probe", O_CREAT | O_RDWR | O_CLOEXEC, 0600);
  if (::ftruncate(fd, kPage) < 0) std::perror("ftruncate");
  features.direct = opens(O_DIRECT | O_RDWR);
  features.zero_range = ::fallocate(fd, FALLOC_FL_ZERO_RANGE, 0, kPage) == 0;
  features.shared_map = maps(fd);
  features.shift = ::fallocate(fd, FALLOC_FL_INSERT_RANGE, 0, kPage) == 0;
  ::close(fd);
  features.whiteout = ::renameat2(AT_FDCWD, "probe", AT_FDCWD, "probed", RENAME_WHITEOUT) == 0;
  ::unlink("probed");
  ::unlink("probe");
  fd = ::open(".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  features.tmpfile = fd >= 0;
  if (fd >= 0) ::close(fd);
  return features;
}

Act* choose(State& state) {
  unsigned all = 0;
  for (const Weighted& each : kActs) all += state.one_file ? each.in_one_file : each.in_tree;
  auto at = static_cast<unsigned>(state.random.below(all));
  for (const Weighted& each : kActs) {
    unsigned weight = state.one_file ? each.in_one_file : each.in_tree;
    if (at < weight) return each.act;
    at -= weight;
  }
  return nullptr;
}

void prepare(State& state) {
  state.random = Random(state.seed);
  if (::chmod(".", state.tree.root()->mode) < 0) std::perror("chmod");
  state.features = probe();
  state.largest = state.one_file ? 1 << 20 : 160 << 10;
  state.buffer.resize(state.largest / kPage + 1);
  if (!state.one_file) return;
  state.tree.make("file", {.mode = 0644});
  ::close(::open("file", O_CREAT | O_EXCL | O_CLOEXEC, 0644));
}

void run(State& state, const Limits& limits) {
  double end = now() + limits.seconds;
  while (state.operation < limits.operations && now() < end) {
    ++state.operation;
    choose(state)(state);
    if (state.operation % kCheckEach == 0) do_check_all(state);
  }
  do_check_all(state);
}

int main(int argc, char** argv) {
  State state;
  Limits limits;
  std::string directory;
  for (int i = 1; i < argc; ++i) {
    std::string_view word = argv[i];
    bool valued = i + 1 < argc;
    if (word == "--seconds" && valued) {
      limits.seconds = std::atof(argv[++i]);
    } else if (word == "--operations" && valued) {
      limits.operations = std::strtoull(argv[++i], nullptr, 10);
    } else if (word == "--seed" && valued) {
      state.seed = std::strtoull(argv[++i], nullptr, 10);
    } else if (word == "--one-file") {
      state.one_file = true;
    } else if (word == "--sync-to-seek") {
      state.sync_to_seek = true;
    } else if (!word.starts_with("--") && directory.empty()) {
      directory = word;
    } else {
      directory.clear();
      break;
    }
  }
  if (directory.empty() || ::chdir(directory.c_str()) < 0) {
    std::fprintf(stderr,
                 "usage: fs_model DIR [--seconds N] [--operations N] [--seed S] [--one-file] [--sync-to-seek]\n");
    return 2;
  }
  ::umask(0);
  prepare(state);
  const Features& has = state.features;
  std::printf("seed %lu; has%s%s%s%s%s%s\n", state.seed, has.direct ? " direct" : "",
              has.zero_range ? " zero-range" : "", has.shared_map ? " shared-map" : "", has.tmpfile ? " tmpfile" : "",
              has.whiteout ? " whiteout" : "", has.shift ? " shift" : "");
  std::fflush(stdout);
  run(state, limits);
  std::printf("%lu operations, no difference\n", state.operation);
  return 0;
}

}  // namespace
}  // namespace cloche::model

int main(int argc, char** argv) { return cloche::model::main(argc, argv); }

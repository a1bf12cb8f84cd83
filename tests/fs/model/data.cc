// Operations on open files.
#include <linux/falloc.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include <algorithm>
#include <span>

#include "state.h"

namespace cloche::model {
namespace {

constexpr size_t kMostHandles = 10;

void put(Node& node, off_t offset, std::string_view bytes) {
  auto at = static_cast<size_t>(offset);
  if (node.data.size() < at + bytes.size()) node.data.resize(at + bytes.size());
  std::ranges::copy(bytes, node.data.begin() + offset);
  node.touch();
}

std::string_view part(const Node& node, Range range) {
  size_t at = std::min(static_cast<size_t>(range.offset), node.data.size());
  return std::string_view(node.data).substr(at, range.size);
}

void add_handle(State& state, Handle handle) {
  if (state.handles.size() >= kMostHandles) do_close(state);
  state.handles.push_back(std::move(handle));
}

// `bytes` in two pieces; in one where they must be aligned, or are none.
int pieces(State& state, const Handle& handle, std::span<char> bytes, iovec* out) {
  size_t size = bytes.size();
  bool whole = handle.direct() || size == 0 || state.random.one_in(2);
  size_t first = whole ? size : state.random.below(size);
  out[0] = {bytes.data(), first};
  out[1] = {bytes.data() + first, size - first};
  return first == size ? 1 : 2;
}

char* buffer(State& state, const Handle& handle) {
  return state.buffer[0].bytes + (handle.direct() ? 0 : state.random.below(64));
}

int pick_open_flags(State& state) {
  Random& random = state.random;
  int flags = static_cast<int>(random.below(4));
  if (flags == O_ACCMODE) flags = O_RDWR;
  if (state.one_file) {
    if (random.one_in(3)) flags |= O_APPEND;
  } else {
    for (int flag : {O_CREAT, O_CREAT, O_EXCL, O_TRUNC, O_APPEND, O_NOFOLLOW, O_SYNC})
      if (random.one_in(4)) flags |= flag;
    if ((flags & O_CREAT) == 0) flags &= ~O_EXCL;  // Undefined without.
    if (is_crowded(state)) flags &= ~O_CREAT & ~O_EXCL;
  }
  if (state.features.direct && (flags & O_APPEND) == 0 && random.one_in(5)) flags |= O_DIRECT;
  return flags;
}

// What open() answers for `place`, which exists.
int open_error(const Place& place, int flags) {
  if ((flags & O_CREAT) && (flags & O_EXCL)) return EEXIST;
  if (place.node->type == Type::kSymlink) return ELOOP;  // Only with O_NOFOLLOW is there one at the end.
  bool reads_only = (flags & (O_ACCMODE | O_CREAT | O_TRUNC)) == O_RDONLY;
  return place.node->is_directory() && !reads_only ? EISDIR : 0;
}

}  // namespace

void do_open(State& state) {
  std::string path = pick_path(state);
  int flags = pick_open_flags(state);
  bool follow = (flags & O_NOFOLLOW) == 0 && (flags & (O_CREAT | O_EXCL)) != (O_CREAT | O_EXCL);
  Place place = state.tree.find(path, follow ? Last::kFollow : Last::kKeep);
  bool is_special = place.node != nullptr && (place.node->type == Type::kFifo || place.node->type == Type::kWhiteout);
  if (is_special && (flags & O_EXCL) == 0) return;  // Opening these is another matter.
  int wanted = place.error;
  if (wanted == 0 && place.node == nullptr && (flags & O_CREAT) == 0) wanted = ENOENT;
  if (wanted == 0 && place.node != nullptr) wanted = open_error(place, flags);
  if (wanted == 0 && place.node != nullptr && place.node->is_directory()) return;
  say(state, "open", path, std::oct, flags);
  int fd = ::open(path.c_str(), flags | O_CLOEXEC, 0644);
  expect_error(state, "open", err(fd), wanted);
  if (fd < 0) return;
  NodePtr node = place.node != nullptr ? place.node : Tree::add(place, {.mode = 0644});
  if (flags & O_TRUNC) {
    node->data.clear();
    node->touch();
  }
  add_handle(state, {.fd = fd, .node = node, .flags = flags});
}

void do_tmpfile(State& state) {
  if (!state.features.tmpfile) return;
  std::string path = state.random.one_in(2) ? "." : pick_path(state);
  Place place = state.tree.find(path, Last::kFollow);
  int wanted = place.missing();
  if (wanted == 0 && !place.node->is_directory()) wanted = ENOTDIR;
  bool linkable = !state.random.one_in(4);
  say(state, "open O_TMPFILE", path, linkable ? "" : "O_EXCL");
  int fd = ::open(path.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC | (linkable ? 0 : O_EXCL), 0600);
  expect_error(state, "open", err(fd), wanted);
  if (fd < 0) return;
  auto node = std::make_shared<Node>(Node{.mode = 0600, .linkable = linkable});
  add_handle(state, {.fd = fd, .node = node, .flags = O_RDWR});
}

void do_close(State& state) {
  Handle* handle = pick_handle(state);
  if (handle == nullptr) return;
  say(state, "close", handle->fd);
  expect_error(state, "close", err(::close(handle->fd)), 0);
  *handle = std::move(state.handles.back());
  state.handles.pop_back();
}

void do_read(State& state) {
  Handle* handle = pick_handle(state);
  if (handle == nullptr) return;
  Range range = pick_range(state, *handle);
  bool from_position = !handle->direct() && state.random.one_in(4);
  if (from_position) range.offset = handle->position;
  say(state, from_position ? "read" : "pread", handle->fd, "at", range.offset, "size", range.size);
  char* at = buffer(state, *handle);
  iovec vectors[2];
  int count = pieces(state, *handle, {at, range.size}, vectors);
  ssize_t got =
      from_position ? ::readv(handle->fd, vectors, count) : ::preadv(handle->fd, vectors, count, range.offset);
  expect_error(state, "read", err(got), handle->reads() ? 0 : EBADF);
  if (got < 0) return;
  expect_bytes(state, "read", {at, static_cast<size_t>(got)}, part(*handle->node, range));
  if (from_position) handle->position += got;
}

void do_write(State& state) {
  Handle* handle = pick_handle(state);
  if (handle == nullptr) return;
  Range range = pick_range(state, *handle);
  bool at_position = !handle->direct() && state.random.one_in(4);
  if (at_position) range.offset = handle->position;
  if (handle->appends()) range.offset = static_cast<off_t>(handle->node->data.size());
  if (range.end() > static_cast<off_t>(state.largest)) return;
  std::string bytes = state.random.bytes(range.size);
  say(state, at_position ? "write" : "pwrite", handle->fd, "at", range.offset, "size", range.size);
  char* at = buffer(state, *handle);
  std::ranges::copy(bytes, at);
  iovec vectors[2];
  int count = pieces(state, *handle, {at, range.size}, vectors);
  ssize_t put_bytes =
      at_position ? ::writev(handle->fd, vectors, count) : ::pwritev(handle->fd, vectors, count, range.offset);
  expect_error(state, "write", err(put_bytes), handle->writes() ? 0 : EBADF);
  if (put_bytes < 0) return;
  expect(state, "written", put_bytes, static_cast<long>(range.size));
  put(*handle->node, range.offset, bytes);
  if (at_position) handle->position = range.end();
}

void do_truncate(State& state) {
  Handle* handle = pick_handle(state);
  if (handle == nullptr) return;
  size_t size = static_cast<size_t>(pick_range(state, *handle).offset);
  say(state, "ftruncate", handle->fd, "to", size);
  int failed = err(::ftruncate(handle->fd, static_cast<off_t>(size)));
  expect_error(state, "ftruncate", failed, handle->writes() ? 0 : EINVAL);
  if (failed != 0) return;
  handle->node->data.resize(size);
  handle->node->touch();
}

void do_truncate_path(State& state) {
  std::string path = pick_path(state);
  Place place = state.tree.find(path, Last::kFollow);
  int wanted = place.missing();
  if (wanted == 0) wanted = place.node->is_directory() ? EISDIR : place.node->type == Type::kFile ? 0 : EINVAL;
  size_t size = state.random.below(state.largest);
  say(state, "truncate", path, "to", size);
  expect_error(state, "truncate", err(::truncate(path.c_str(), static_cast<off_t>(size))), wanted);
  if (wanted != 0) return;
  place.node->data.resize(size);
  place.node->touch();
}

void do_fallocate(State& state) {
  Handle* handle = pick_handle(state);
  if (handle == nullptr) return;
  static constexpr int kModes[] = {0, FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                                   FALLOC_FL_ZERO_RANGE, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE};
  int mode = kModes[state.random.below(5)];
  if ((mode & FALLOC_FL_ZERO_RANGE) && !state.features.zero_range) mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
  Range range = pick_range(state, *handle);
  say(state, "fallocate", handle->fd, "mode", mode, "at", range.offset, "size", range.size);
  int failed = err(::fallocate(handle->fd, mode, range.offset, static_cast<off_t>(range.size)));
  int wrong_file = handle->writes() ? 0 : EBADF;
  expect_error(state, "fallocate", failed, range.size == 0 ? EINVAL : wrong_file);  // At the largest offset of all.
  if (failed != 0) return;
  std::string& data = handle->node->data;
  auto end = static_cast<size_t>(range.end());
  if ((mode & FALLOC_FL_KEEP_SIZE) == 0 && data.size() < end) data.resize(end);
  if (mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)) {
    size_t from = std::min(static_cast<size_t>(range.offset), data.size());
    std::fill(data.begin() + static_cast<off_t>(from), data.begin() + static_cast<off_t>(std::min(end, data.size())),
              '\0');
  }
  handle->node->touch();
}

void do_sync(State& state) {
  Handle* handle = pick_handle(state);
  if (handle == nullptr) return;
  bool data_only = state.random.one_in(2);
  say(state, data_only ? "fdatasync" : "fsync", handle->fd);
  expect_error(state, "fsync", err(data_only ? ::fdatasync(handle->fd) : ::fsync(handle->fd)), 0);
}

// What is read next comes from below the page cache.
void do_forget(State& state) {
  Handle* handle = pick_handle(state);
  if (handle == nullptr) return;
  say(state, "fsync and forget", handle->fd);
  expect_error(state, "fsync", err(::fsync(handle->fd)), 0);
  expect_error(state, "fadvise", ::posix_fadvise(handle->fd, 0, 0, POSIX_FADV_DONTNEED), 0);
}

void do_copy(State& state) {
  Handle *from = pick_handle(state), *to = pick_handle(state);
  if (from == nullptr || from->direct() || to->direct()) return;  // Direct copies must be aligned.
  Range source = pick_range(state, *from);
  off_t target = pick_range(state, *to).offset;
  if (target + static_cast<off_t>(source.size) > static_cast<off_t>(state.largest)) return;
  size_t count = part(*from->node, source).size();
  auto length = static_cast<off_t>(count);
  bool overlaps = from->node == to->node && target + length > source.offset && target < source.offset + length;
  int wanted = !from->reads() || !to->writes() || to->appends() ? EBADF : overlaps ? EINVAL : 0;
  say(state, "copy", from->fd, "at", source.offset, "size", source.size, "to", to->fd, "at", target);
  std::string bytes(part(*from->node, source));
  off_t in = source.offset, out = target;
  ssize_t got = ::copy_file_range(from->fd, &in, to->fd, &out, source.size, 0);
  expect_error(state, "copy", err(got), wanted);
  if (got < 0) return;
  for (size_t done = static_cast<size_t>(got); done < count; done += static_cast<size_t>(got)) {
    got = ::copy_file_range(from->fd, &in, to->fd, &out, count - done, 0);
    if (got <= 0) differs(state, "copy ended after " + std::to_string(done) + " bytes");
  }
  expect(state, "copied", in - source.offset, length);
  if (count > 0) put(*to->node, target, bytes);
}

// Where holes lie is the file system's choice; that nothing but zeros lies in them is not.
void do_seek(State& state) {
  Handle* handle = pick_handle(state);
  if (handle == nullptr) return;
  if (state.sync_to_seek) ::fsync(handle->fd);
  const std::string& data = handle->node->data;
  off_t offset = pick_range(state, *handle).offset, size = static_cast<off_t>(data.size());
  say(state, "seek data and hole", handle->fd, "from", offset);
  off_t found = ::lseek(handle->fd, offset, SEEK_DATA);
  if (offset >= size) expect_error(state, "SEEK_DATA", err(found), ENXIO);
  if (found < 0) expect_error(state, "SEEK_DATA", errno, ENXIO);
  off_t start = found < 0 ? size : found;
  for (off_t at = offset; at < std::min(start, size); ++at)
    if (data[static_cast<size_t>(at)] != 0) differs(state, "SEEK_DATA skips the byte at " + std::to_string(at));
  off_t hole = ::lseek(handle->fd, offset, SEEK_HOLE);
  expect_error(state, "SEEK_HOLE", err(hole), offset >= size ? ENXIO : 0);
  if (hole > size || (hole >= 0 && hole < offset)) differs(state, "SEEK_HOLE finds " + std::to_string(hole));
  if (hole >= 0 && hole < size && data[static_cast<size_t>(hole)] != 0)
    differs(state, "SEEK_HOLE finds the byte at " + std::to_string(hole));
  handle->position = ::lseek(handle->fd, 0, SEEK_SET);
}

}  // namespace cloche::model

#include "devices/block/host_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <climits>
#include <memory>

namespace cloche::block {
namespace {

constexpr size_t kLargeAlignment = 4096;  // Enough for every file system and disk.
constexpr size_t kSmallAlignment = 512;
constexpr size_t kZeroPiece = 64 << 10;   // Zeros are written from so much memory,
constexpr int kZeroVectors = 16;          // that often in one call.
constexpr size_t kMostBounced = 1 << 20;  // Of an unaligned transfer at a time.

// Memory for O_DIRECT.
struct Freer {
  void operator()(std::byte* memory) const { std::free(memory); }
};
using Aligned = std::unique_ptr<std::byte, Freer>;

Result<Aligned> allocate(size_t size) {
  Aligned memory(static_cast<std::byte*>(std::aligned_alloc(kLargeAlignment, size)));
  if (!memory) return fail(ErrorCode::kHost, "allocate memory for a disk", ENOMEM);
  return memory;
}

// For `size` bytes and what is around them in their blocks.
size_t bounce_size(size_t size) {
  size_t whole = (size + 3 * kLargeAlignment - 1) / kLargeAlignment * kLargeAlignment;
  return std::min(whole, kMostBounced);
}

// preadv or pwritev until all is done. 0 or an errno; a file that ends early is EIO.
template <typename Call>
int transfer(Call call, uint64_t offset, const Pieces& all) {
  Pieces rest;
  const Pieces* now = &all;
  for (size_t done = 0; done < all.size();) {
    auto vectors = now->vectors();
    ssize_t count = call(vectors.data(), static_cast<int>(std::min<size_t>(vectors.size(), IOV_MAX)), offset + done);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return errno;
    if (count == 0) return EIO;
    done += static_cast<size_t>(count);
    if (done == all.size()) break;
    rest = all.part(done, all.size() - done);
    now = &rest;
  }
  return 0;
}

int read_all(int fd, uint64_t offset, const Pieces& to) {
  return transfer(
      [fd](const iovec* at, int count, uint64_t where) { return ::preadv(fd, at, count, static_cast<off_t>(where)); },
      offset, to);
}

int write_all(int fd, uint64_t offset, const Pieces& from) {
  return transfer(
      [fd](const iovec* at, int count, uint64_t where) { return ::pwritev(fd, at, count, static_cast<off_t>(where)); },
      offset, from);
}

// As of fcntl(2): of the open file, so that no close elsewhere in the process undoes it, and gone with the process.
Result<void> lock(int fd, const std::string& path, Writing writing) {
  struct flock whole{};
  whole.l_type = writing == Writing::kAllowed ? F_WRLCK : F_RDLCK;
  whole.l_whence = SEEK_SET;
  if (::fcntl(fd, F_OFD_SETLK, &whole) == 0) return {};
  if (errno != EAGAIN && errno != EACCES) return fail_errno("lock " + path);
  return fail(ErrorCode::kUnavailable, fmt::format("{} is in use by another VM or program{}", path,
                                                   writing == Writing::kAllowed ? "; only read-only can several use it"
                                                                                : ", which writes to it"));
}

}  // namespace

Result<HostFile> HostFile::open(const std::string& path, HostFileOptions options, Links links) {
  int flags = (options.writing == Writing::kAllowed ? O_RDWR : O_RDONLY) | O_NONBLOCK | O_NOCTTY;
  if (links == Links::kRefused) flags |= O_NOFOLLOW;
  bool direct = options.cache == HostCache::kBypassed;
  auto opened = open_file(path, flags | (direct ? O_DIRECT : 0));
  if (!opened && direct && opened.error().sys_errno == EINVAL)
    return fail(ErrorCode::kUnsupported, path + ": the file system there knows no direct I/O (O_DIRECT)");
  HostFile file(TRY(std::move(opened)), path, options);
  struct stat status{};
  if (::fstat(file.fd_.get(), &status) < 0) return file.failed("examine", errno);
  file.is_device_ = S_ISBLK(status.st_mode);
  if (!S_ISREG(status.st_mode) && !file.is_device_)
    return fail(ErrorCode::kInvalidArgument, path + ": neither a regular file nor a block device");
  TRY(lock(file.fd_.get(), path, options.writing));
  TRY(file.measure());
  if (direct) TRY(file.find_alignment());
  return file;
}

Result<void> HostFile::measure() {
  off_t end = ::lseek(fd_.get(), 0, SEEK_END);  // Works for both kinds.
  if (end < 0) return failed("measure", errno);
  size_ = static_cast<uint64_t>(end);
  return {};
}

// What O_DIRECT needs differs by file system and disk; the least that a read works with tells.
Result<void> HostFile::find_alignment() {
  alignment_ = kLargeAlignment;
  if (size_ < 2 * kSmallAlignment) return {};
  auto memory = TRY(allocate(2 * kLargeAlignment));
  ssize_t got = ::pread(fd_.get(), memory.get() + kSmallAlignment, kSmallAlignment, kSmallAlignment);
  if (got == static_cast<ssize_t>(kSmallAlignment)) alignment_ = kSmallAlignment;
  return {};
}

std::unexpected<Error> HostFile::failed(const char* act, int error) const {
  return fail(ErrorCode::kHost, fmt::format("{} {}", act, path_), error);
}

// Somebody made the file shorter: a write there would make it longer again, over a hole where data was.
Result<void> HostFile::check_length(uint64_t end) const {
  if (is_device_) return {};
  struct stat status{};
  if (::fstat(fd_.get(), &status) < 0) return failed("examine", errno);
  if (static_cast<uint64_t>(status.st_size) < end) return failed("write beyond the end of", EIO);
  return {};
}

bool HostFile::fits(uint64_t offset, const Pieces& pieces) const {
  return alignment_ == 1 || (offset % alignment_ == 0 && pieces.size() % alignment_ == 0 && pieces.aligned(alignment_));
}

Result<void> HostFile::read(uint64_t offset, const Pieces& to) const {
  if (!fits(offset, to)) return read_directly(offset, to);
  int error = read_all(fd_.get(), offset, to);
  if (error != 0) return failed("read", error);
  return {};
}

Result<void> HostFile::write(uint64_t offset, const Pieces& from) const {
  TRY(check_length(offset + from.size()));
  if (!fits(offset, from)) return write_directly(offset, from);
  int error = write_all(fd_.get(), offset, from);
  if (error != 0) return failed("write", error);
  return {};
}

Result<void> HostFile::write(uint64_t offset, std::span<const std::byte> from) const {
  Pieces pieces;
  pieces.add(from);
  return write(offset, pieces);
}

// By way of aligned memory, whole blocks at a time. The end of a file need not be one of a block: the host reads what
// there is.
Result<void> HostFile::read_directly(uint64_t offset, const Pieces& to) const {
  size_t room = bounce_size(to.size());
  auto memory = TRY(allocate(room));
  for (size_t done = 0; done < to.size();) {
    uint64_t at = offset + done, start = at / alignment_ * alignment_;
    size_t skip = at - start, take = std::min(to.size() - done, room - skip);
    size_t whole = (skip + take + alignment_ - 1) / alignment_ * alignment_;
    ssize_t got = ::pread(fd_.get(), memory.get(), whole, static_cast<off_t>(start));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return failed("read", errno);
    if (static_cast<size_t>(got) < skip + take) return failed("read", EIO);
    to.part(done, take).copy_from({memory.get() + skip, take});
    done += take;
  }
  return {};
}

// The same; the blocks at both ends are read first. Two such writes into one block at the same time would undo one
// another: see RawDisk::concurrent().
Result<void> HostFile::write_directly(uint64_t offset, const Pieces& from) const {
  size_t room = bounce_size(from.size());
  auto memory = TRY(allocate(room));
  for (size_t done = 0; done < from.size();) {
    uint64_t at = offset + done, start = at / alignment_ * alignment_;
    size_t skip = at - start, take = std::min(from.size() - done, room - skip);
    size_t whole = (skip + take + alignment_ - 1) / alignment_ * alignment_;
    for (size_t block : {size_t{0}, whole - alignment_}) {
      if (skip == 0 && take == whole) break;
      TRY(read(start + block, std::span(memory.get() + block, alignment_)));
    }
    from.part(done, take).copy_to({memory.get() + skip, take});
    int error = write_all(fd_.get(), start, Pieces({memory.get(), whole}));
    if (error != 0) return failed("write", error);
    done += take;
  }
  return {};
}

std::optional<Result<void>> HostFile::read_at_once(uint64_t offset, const Pieces& to) const {
  auto vectors = to.vectors();
  if (alignment_ != 1 || vectors.size() > IOV_MAX) return std::nullopt;
  ssize_t got =
      ::preadv2(fd_.get(), vectors.data(), static_cast<int>(vectors.size()), static_cast<off_t>(offset), RWF_NOWAIT);
  if (got == static_cast<ssize_t>(to.size())) return Result<void>();
  return std::nullopt;  // Not in the host's cache, not known to its file system, or an error that read() will find too.
}

std::optional<Result<void>> HostFile::write_at_once(uint64_t offset, const Pieces& from) const {
  auto vectors = from.vectors();
  if (alignment_ != 1 || vectors.size() > IOV_MAX || !check_length(offset + from.size())) return std::nullopt;
  ssize_t put =
      ::pwritev2(fd_.get(), vectors.data(), static_cast<int>(vectors.size()), static_cast<off_t>(offset), RWF_NOWAIT);
  if (put == static_cast<ssize_t>(from.size())) return Result<void>();
  return std::nullopt;
}

Result<void> HostFile::flush() const {
  if (!writable() || options_.sync == Sync::kNone) return {};
  int result =
      options_.sync == Sync::kFull ? ::fdatasync(fd_.get()) : ::sync_file_range(fd_.get(), 0, 0, SYNC_FILE_RANGE_WRITE);
  if (result < 0) return failed("flush", errno);
  return {};
}

Result<void> HostFile::punch(uint64_t offset, uint64_t size) const {
  if (size == 0) return {};
  int result;
  do {
    result = ::fallocate(fd_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(offset),
                         static_cast<off_t>(size));
  } while (result < 0 && errno == EINTR);
  if (result < 0) return failed("punch a hole into", errno);
  return {};
}

Result<void> HostFile::zero(uint64_t offset, uint64_t size, Space space) const {
  if (size == 0) return {};
  TRY(check_length(offset + size));
  int mode = FALLOC_FL_KEEP_SIZE | (space == Space::kKept ? FALLOC_FL_ZERO_RANGE : FALLOC_FL_PUNCH_HOLE);
  if (::fallocate(fd_.get(), mode, static_cast<off_t>(offset), static_cast<off_t>(size)) == 0) return {};
  if (errno != EOPNOTSUPP && errno != EINTR && errno != ENOSYS) return failed("zero a part of", errno);
  auto zeros = TRY(allocate(kZeroPiece));
  std::fill_n(zeros.get(), kZeroPiece, std::byte{0});
  for (uint64_t done = 0; done < size;) {
    Pieces pieces;
    for (int i = 0; i < kZeroVectors && done + pieces.size() < size; ++i)
      pieces.add({zeros.get(), std::min<uint64_t>(kZeroPiece, size - done - pieces.size())});
    TRY(write(offset + done, pieces));
    done += pieces.size();
  }
  return {};
}

Result<void> HostFile::extend(uint64_t size) {
  if (is_device_ || size <= size_) return failed("extend", ENOSPC);
  if (::ftruncate(fd_.get(), static_cast<off_t>(size)) < 0) return failed("extend", errno);
  size_ = size;
  return {};
}

}  // namespace cloche::block

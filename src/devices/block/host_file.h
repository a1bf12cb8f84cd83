// HostFile: a file or block device of the host that holds an image, or a part of one.
//
// Never mapped: a file that becomes shorter gives errors, not SIGBUS. Never made longer by a write, except by one to
// the end of its format's own (extend). Any number of threads.
#pragma once

#include <string>

#include "base/fd.h"
#include "devices/block/disk.h"

namespace cloche::block {

// How much a flush of the guest's costs, and what it is worth.
enum class Sync : uint8_t {
  kNone,     // The guest is told that there is nothing to flush. Its data outlives it and our process, not the host.
  kRelaxed,  // A flush begins to write to the host's disk and does not wait.
  kFull,     // A flush returns when the host's disk has it.
};

enum class Writing : uint8_t { kAllowed, kRefused };
enum class Links : uint8_t { kFollowed, kRefused };
enum class HostCache : uint8_t { kUsed, kBypassed };  // kBypassed: O_DIRECT.

struct HostFileOptions {
  Writing writing = Writing::kAllowed;
  HostCache cache = HostCache::kUsed;
  Sync sync = Sync::kFull;
};

class HostFile {
 public:
  // Opens and locks it: no other process that locks its images (we, QEMU) can write to it while we use it, nor use it
  // while we write to it. kUnavailable: another one does.
  static Result<HostFile> open(const std::string& path, HostFileOptions options, Links links = Links::kFollowed);
  HostFile(HostFile&&) = default;

  const std::string& path() const { return path_; }
  const HostFileOptions& options() const { return options_; }
  bool writable() const { return options_.writing == Writing::kAllowed; }
  uint64_t size() const { return size_; }  // When it was opened, or after extend().
  // What offsets and sizes must be multiples of, so that writes need not read what is around them first.
  size_t alignment() const { return alignment_; }

  // All of it, or an error: what lies beyond the end of the file now is one.
  Result<void> read(uint64_t offset, const Pieces& to) const;
  Result<void> write(uint64_t offset, const Pieces& from) const;
  Result<void> read(uint64_t offset, std::span<std::byte> to) const { return read(offset, Pieces(to)); }
  Result<void> write(uint64_t offset, std::span<const std::byte> from) const;
  // As of Disk. Nothing: it would have to wait, or the host cannot tell.
  std::optional<Result<void>> read_at_once(uint64_t offset, const Pieces& to) const;
  std::optional<Result<void>> write_at_once(uint64_t offset, const Pieces& from) const;
  Result<void> flush() const;
  // For Sync::kFull: nothing that is written after it reaches the host's disk before what was written ahead of it.
  Result<void> barrier() const { return options_.sync == Sync::kFull ? flush() : Result<void>(); }
  Result<void> punch(uint64_t offset, uint64_t size) const;  // Zeros; the host gets the space back where it can.
  Result<void> zero(uint64_t offset, uint64_t size, Space space) const;
  Result<void> extend(uint64_t size);  // To `size` bytes, zeros at the end.

 private:
  HostFile(Fd fd, std::string path, HostFileOptions options)
      : fd_(std::move(fd)), path_(std::move(path)), options_(options) {}
  Result<void> measure();
  Result<void> find_alignment();
  Result<void> check_length(uint64_t end) const;
  Result<void> read_directly(uint64_t offset, const Pieces& to) const;
  Result<void> write_directly(uint64_t offset, const Pieces& from) const;
  bool fits(uint64_t offset, const Pieces& pieces) const;
  std::unexpected<Error> failed(const char* act, int error) const;

  Fd fd_;
  std::string path_;
  HostFileOptions options_;
  uint64_t size_ = 0;
  size_t alignment_ = 1;
  bool is_device_ = false;
};

}  // namespace cloche::block

// DaxWindow: a stretch of guest physical addresses in which parts of host files lie as the guest asked for them, so
// that its programs use the host's page cache directly.
//
// It is reserved memory of this process; files are mapped over it and memory is put back over them. Every place in it
// can always be accessed by the guest: where no file is mapped there is memory of zeros, so that a stray access ends
// nothing. That memory counts as the guest's: at most as much as the window is large. Nothing of ours touches the
// window.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/mmap.h"
#include "base/result.h"
#include "devices/fs/outcome.h"

namespace cloche::fs {

class DaxWindow {
 public:
  // Everything mapped begins and ends at multiples of it, in the window and in the file: what Linux maps by. It bounds
  // how many mappings a guest can make us have.
  static constexpr uint64_t kGranule = 2 << 20;

  // Where something lies in the window, in bytes.
  struct Range {
    uint64_t start = 0, size = 0;
  };
  // A part of a file from `offset` on; `inode` is whose it is.
  struct Source {
    uint64_t inode = 0;
    uint64_t offset = 0;
    bool writable = false;
  };
  struct Slot {
    Source source;        // Its inode is 0: nothing is mapped.
    uint64_t backed = 0;  // Bytes of the file's; behind them lies memory, as the file is shorter.
    bool cut() const { return source.inode != 0 && backed < kGranule; }
  };

  // `size` is a multiple of the granule.
  static Result<DaxWindow> create(uint64_t size);

  std::span<std::byte> bytes() const { return bytes_; }
  // One per granule.
  std::span<const Slot> slots() const { return slots_; }
  bool any_mapped() const { return mapped_ != 0; }
  bool any_cut() const { return cut_ != 0; }

  // Maps a file, open as its source says, in place of what was there. EINVAL for what is not in the window, or not of
  // whole granules, or no part of any file; the errno of mmap otherwise.
  Outcome<void> map(Range range, const Source& source, int fd);
  // Takes away whatever is mapped there.
  Outcome<void> unmap(Range range);
  void clear();
  // Memory in place of a slot's file from byte `backed` of it on.
  Outcome<void> cut(size_t slot, uint64_t backed);

 private:
  DaxWindow(Mmap reservation, std::span<std::byte> bytes)
      : reservation_(std::move(reservation)), bytes_(bytes), slots_(bytes.size() / kGranule) {}
  bool holds(Range range) const;
  Outcome<void> put_memory(Range range) const;
  void set(Range range, const Source& source);

  Mmap reservation_;
  std::span<std::byte> bytes_;  // The aligned part of it.
  std::vector<Slot> slots_;
  size_t mapped_ = 0;  // Slots that have a file.
  size_t cut_ = 0;     // Slots that are cut().
};

}  // namespace cloche::fs

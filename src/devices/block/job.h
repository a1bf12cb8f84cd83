// One request from its chain to its status: what the guest asks for, checked, and done to the disk.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "devices/block/disk.h"
#include "devices/block/request.h"
#include "virtio/queue.h"

namespace cloche::block {

// What requests are checked against. Does not change while a driver is there.
struct Limits {
  uint64_t sectors = 0;
  bool read_only = false;
  bool write_through = false;  // The driver does not know of flushes: each write is one.
  std::array<char, kIdBytes> id{};

  static constexpr uint32_t kMostSegments = 32;
  // Of one segment. Where the host's file system cannot zero, zeros are written, which takes its time.
  static constexpr uint32_t kMostDiscardSectors = 1 << 22;
  static constexpr uint32_t kMostZeroSectors = 1 << 17;
};

struct Job {
  virtio::Chain chain;
  uint32_t type = 0;
  uint64_t sector = 0;
  size_t data_size = 0;  // Of what follows the header, or comes before the status.
  // Once it is done:
  uint32_t written = 0;
  std::string reason{};  // Why the host failed, where it did.
};

// Copies the header out of the chain. kGuest: there is no room for a header or for a status, so that nothing can be
// answered.
Result<Job> parse(virtio::Chain chain);

// Does the work and writes the status; fails never: errors are the guest's to see. Any thread that may use the disk.
void execute(Job& job, Disk& disk, const Limits& limits);

// The same for what can be done without waiting; false: it cannot, and the job is as it was.
bool execute_at_once(Job& job, Disk& disk, const Limits& limits);

}  // namespace cloche::block

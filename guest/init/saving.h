// What programs wrote to disks, saved at the end. Linux waits for ever for a virtio device that has stopped, as one of
// a vhost-user back end that is gone: so each disk is saved by a process of its own, and PID 1 says what could not be.
#pragma once

#include <string>
#include <vector>

namespace cloche::init {

// Whether the driver of /dev/`disk`, and with "" of any device, was told that it needs a reset. Linux's give it none.
// Allocates nothing.
bool has_stopped(const std::string& disk);

// One step of it, which may never end once `disk` has stopped; with "" the last one, which may wait for any of them.
struct Saving {
  std::string disk, path;
  void (*save)(const std::string& path);
};
// Does all of it at once and waits, but for `patience_ms` only where a disk has stopped. The disks that are not saved,
// with commas between them; empty: all is. Leaves SIGCHLD blocked. For a process that nobody else waits for children
// in.
std::string save_all(const std::vector<Saving>& all, bool (*stopped)(const std::string& disk), int patience_ms);

// What was written is on the disks, and their file systems are clean. Ends every process but this one, or files that
// they have open would keep some from that. What it answers is save_all()'s.
std::string leave_disks_clean();

}  // namespace cloche::init

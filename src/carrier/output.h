// Writes to one of the caller's descriptors from a thread of its own. The descriptor is shared with programs that
// expect it to block, so it cannot be made non-blocking; and whoever reads it may not read for hours, while keys and
// signals must still pass.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "base/fd.h"

namespace cloche::carrier {

class Output {
 public:
  // Signals `wake` whenever something has changed. Both descriptors must outlive the thread: those of the process, that
  // is.
  static Result<Output> create(int fd, const EventFd& wake);
  Output(Output&&) = default;
  Output& operator=(Output&&) = default;
  // Leaves what is not written to the thread, which may be stuck in it.
  ~Output();

  void put(std::span<const std::byte> data);
  // Bytes written since the last call.
  size_t take_written();
  bool idle() const;    // Everything is written, or never will be.
  bool broken() const;  // Writing has failed: nobody reads any more. What is put is dropped.

 private:
  struct State;
  explicit Output(std::shared_ptr<State> state) : state_(std::move(state)) {}
  std::shared_ptr<State> state_;
};

}  // namespace cloche::carrier

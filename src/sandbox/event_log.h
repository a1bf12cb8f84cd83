// Where events are written down: one JSON object a line, in a file of the home that several processes append to at
// once.
//
// A line is one write() to a file opened with O_APPEND, so it is never torn and needs no lock. Who finds the file full
// puts it aside under a lock (events.jsonl.1, .2 ...); who had opened it before that writes into what is now .1, where
// readers look once more before they go on.
#pragma once

#include <string>

#include "base/fd.h"
#include "cloche/events.h"

namespace cloche::sandbox {

class EventLog {
 public:
  static constexpr uint64_t kMostBytes = 4 << 20;  // Of a file before the next one is begun,
  static constexpr uint32_t kFiles = 3;            // and how many are kept.
  static constexpr size_t kMostDetail = 512;       // What is longer is cut.
  static constexpr const char* kName = "events.jsonl";
  static constexpr const char* kLock = "events.lock";

  explicit EventLog(std::string home, uint64_t most_bytes = kMostBytes)
      : home_(std::move(home)), most_bytes_(most_bytes) {}

  std::string path(uint32_t number = 0) const;
  // With the time of now where it has none. Any thread, any process; never waits for another.
  Result<void> append(Event event) const;

 private:
  void rotate() const;
  std::string home_;
  uint64_t most_bytes_;
};

// A line, without its end.
std::string encode(const Event& event);
// kProtocol where it is none. Of a line that another one ran into, when a disk was full, the last is taken.
Result<Event> decode_event(std::string_view line);

}  // namespace cloche::sandbox

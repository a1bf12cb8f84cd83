// BackEnd: what a vhost-user back end can be asked, a method each, over a Channel.
#pragma once

#include <optional>

#include "devices/vhost_user/channel.h"

namespace cloche::vhost_user {

// A piece of guest memory and the file that it is a mapping of. The guest's addresses are its user addresses too: the
// back end needs no address of this process.
struct SharedRegion {
  uint64_t guest_address = 0;
  uint64_t size = 0;  // Bytes.
  int fd = -1;        // The caller's.
  uint64_t file_offset = 0;
};

// Where a queue lies, in guest addresses.
struct Ring {
  uint32_t index = 0;
  uint16_t size = 0;
  uint64_t descriptors = 0;
  uint64_t available = 0;
  uint64_t used = 0;
  int kick_fd = -1;  // The driver's notifications, the caller's.
  int call_fd = -1;  // The back end's interrupts, the caller's.
};

// Any one thread. Every call waits for the back end, all calls since the last begin() together up to the channel's
// patience. kHost for what the back end refuses; after any other error all calls fail, and fd() is -1.
class BackEnd {
 public:
  // Takes the back end into possession and agrees on the protocol's features. kUnsupported for one that has no protocol
  // features or no virtio 1.
  static Result<BackEnd> create(Channel channel);

  uint64_t features() const { return features_; }  // What it offers, without the protocol's own bit.
  void begin() { channel_.begin(); }
  // The most queues it has, pairs of them for a network; nothing when it does not say.
  Result<std::optional<uint64_t>> queue_count();
  // Config space from its beginning: `size` bytes, at most kMaxConfigBytes. Empty where it has none of that size.
  Result<std::vector<std::byte>> config(size_t size);
  Result<void> set_config(uint32_t offset, std::span<const std::byte> bytes);

  // What the driver acknowledged, of features().
  Result<void> set_features(uint64_t acknowledged);
  // At most kMaxRegions.
  Result<void> set_memory(std::span<const SharedRegion> regions);
  Result<void> start(const Ring& ring);
  // Returns when the back end no longer touches the queue: its next available index.
  Result<uint16_t> stop(uint32_t index);

  // It loses the guest's memory then, as far as it is honest.
  void close() { channel_.close(); }
  int fd() const { return channel_.fd(); }

 private:
  explicit BackEnd(Channel channel) : channel_(std::move(channel)) {}

  Result<uint64_t> ask(Request request);
  // Sends and, where that was agreed, waits for the word that it was done.
  Result<void> tell(Request request, std::span<const std::byte> payload, std::span<const int> fds = {});

  Channel channel_;
  uint64_t features_ = 0;
  uint64_t protocol_features_ = 0;
};

}  // namespace cloche::vhost_user

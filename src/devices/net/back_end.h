// BackEnd: the host's side of a network device, which moves whole packets: a Header, then an Ethernet frame.
//
// A tap understands headers, and with them unfinished checksums and large frames. Sockets carry bare frames: their back
// ends cut the header off, and put one of zeros in front of what comes. The device completes checksums for them; large
// frames it lets through only where the configuration says that the peer takes them, as passt does.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/result.h"
#include "devices/net/header.h"

namespace cloche::net {

enum class Moved : uint8_t {
  kDone,     // One packet.
  kLater,    // None now: wait for the descriptor.
  kDropped,  // One packet that cannot be carried.
  kGone,     // The peer is gone or broke the protocol: there will be no more, either way.
};

struct Received {
  Moved moved = Moved::kLater;
  size_t size = 0;  // Of the packet, with its header.
};

// Loop thread. Never waits.
class BackEnd {
 public:
  virtual ~BackEnd() = default;
  // Readable when receive() has something, writable when send() or flush() can go on; watched by the device.
  virtual int fd() const = 0;
  // Whether packets keep their header.
  virtual bool carries_headers() const { return false; }
  // The driver is ready, and acknowledged these of kOffloads.
  virtual Result<void> set_offloads(uint64_t features) {
    static_cast<void>(features);
    return {};
  }
  // `to` has room for kMostPacket bytes.
  virtual Received receive(std::span<std::byte> to) = 0;
  // True when receive() has a packet whatever the descriptor says.
  virtual bool has_received() const { return false; }
  // The guest has no room: takes in what has come as far as there is room here. True: there is room for more.
  virtual bool collect() { return false; }
  // kLater: the packet was not taken.
  virtual Moved send(std::span<const std::byte> packet) = 0;
  // Puts on its way what send() took and holds. kLater: not all of it.
  virtual Moved flush() { return Moved::kDone; }
};

}  // namespace cloche::net

// A tap interface of the host's kernel (/dev/net/tun), whose packets keep their virtio-net header.
#pragma once

#include <string>

#include "base/fd.h"
#include "devices/net/back_end.h"

namespace cloche::net {

class Tap final : public BackEnd {
 public:
  // The tap of this name, which is made if the caller may. Of an interface with several queues one is taken.
  static Result<Tap> open(const std::string& name);
  // One that somebody has opened, with IFF_NO_PI and IFF_VNET_HDR.
  static Result<Tap> adopt(Fd fd);

  int fd() const override { return fd_.get(); }
  bool carries_headers() const override { return true; }
  Result<void> set_offloads(uint64_t features) override;
  Received receive(std::span<std::byte> to) override;
  Moved send(std::span<const std::byte> packet) override;

 private:
  explicit Tap(Fd fd) : fd_(std::move(fd)) {}
  Fd fd_;
};

}  // namespace cloche::net

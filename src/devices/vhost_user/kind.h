// What the front end has to know of a type of device, though another process is the device: how many queues it has, how
// much config space, and which features need more than both sides have here.
#pragma once

#include <array>
#include <cstdint>

namespace cloche::vhost_user {

// Where config space tells how many queues of one sort there are, and how many there are besides.
struct QueueCount {
  uint16_t offset = 0;
  uint16_t bytes = 0;  // 0: it does not tell.
  uint16_t others = 0;
};

struct Kind {
  uint32_t id = 0;
  uint32_t queues = 1;  // Of one that does not say.
  // Sizes of config space as versions of the specification have them, the largest first: back ends refuse what is
  // larger than theirs. 0: no more.
  std::array<uint16_t, 4> config_sizes{256, 128, 64, 32};
  uint64_t impossible = 0;  // Features that the guest is not offered.
  uint64_t in_config = 0;   // Those that are nothing without config space.
  QueueCount count{};
  bool counts_pairs = false;  // The back end counts its queues by pairs.
};

// A type that is not known has Kind's defaults.
Kind kind_of(uint32_t id);

}  // namespace cloche::vhost_user

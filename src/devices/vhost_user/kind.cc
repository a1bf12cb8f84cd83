// Sections and bits are those of virtio 1.2, sections 5.1 to 5.19.
#include "devices/vhost_user/kind.h"

#include <algorithm>

namespace cloche::vhost_user {
namespace {

constexpr uint64_t bits(std::initializer_list<int> numbers) {
  uint64_t all = 0;
  for (int number : numbers) all |= 1ull << number;
  return all;
}

// A network's control queue is the front end's to serve, by the protocol, and this one has none: no feature that goes
// through it, and one pair of queues.
constexpr uint64_t kNeedsControlQueue = bits({2, 17, 18, 19, 20, 21, 22, 23, 50, 52, 53, 57, 60, 62});
constexpr uint64_t kNetConfig = bits({3, 5, 16, 63});  // MTU, MAC, STATUS, SPEED_DUPLEX.
constexpr uint64_t kConsoleConfig = bits({0, 1});      // SIZE, MULTIPORT.

constexpr Kind kKinds[] = {
    {.id = 1,  // Network.
     .queues = 2,
     .config_sizes = {24, 17, 12, 10},
     .impossible = kNeedsControlQueue,
     .in_config = kNetConfig,
     .counts_pairs = true},
    {.id = 2, .config_sizes = {96, 72, 60, 36}, .count = {34, 2, 0}},           // Block.
    {.id = 3, .queues = 2, .config_sizes = {12}, .in_config = kConsoleConfig},  // Console.
    {.id = 4, .config_sizes = {}},                                              // Random numbers.
    {.id = 8, .queues = 3, .config_sizes = {36}, .count = {0, 4, 2}},           // SCSI.
    {.id = 16, .queues = 2, .config_sizes = {16}},                              // GPU.
    {.id = 17, .config_sizes = {}},                                             // Clock.
    {.id = 18, .queues = 2, .config_sizes = {136}},                             // Input.
    {.id = 19, .queues = 3, .config_sizes = {8}},                               // Sockets.
    {.id = 20, .queues = 2, .config_sizes = {56}, .count = {4, 4, 1}},          // Crypto.
    {.id = 25, .queues = 4, .config_sizes = {16, 12}},                          // Sound.
    {.id = 26, .queues = 2, .config_sizes = {44, 40}, .count = {36, 4, 1}},     // File system.
    {.id = 34, .config_sizes = {}},                                             // I2C.
    {.id = 36, .queues = 3, .config_sizes = {2}},                               // CAN.
    {.id = 41, .queues = 2, .config_sizes = {8}},                               // GPIO.
};

}  // namespace

Kind kind_of(uint32_t id) {
  const auto* found = std::ranges::find(kKinds, id, &Kind::id);
  return found == std::end(kKinds) ? Kind{.id = id} : *found;
}

}  // namespace cloche::vhost_user

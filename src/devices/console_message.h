// What driver and device of a virtio-console say to each other about its ports (virtio 1.2, section 5.3.6.2).
#pragma once

#include <cstdint>

#include "base/endian.h"

namespace cloche {

inline constexpr uint64_t kConsoleSize = 1 << 0;       // VIRTIO_CONSOLE_F_SIZE
inline constexpr uint64_t kConsoleMultiport = 1 << 1;  // VIRTIO_CONSOLE_F_MULTIPORT

enum class ConsoleEvent : uint16_t {
  kDeviceReady = 0,  // From the driver: 1, it knows of ports.
  kAdd = 1,          // To the driver: there is a port.
  kRemove = 2,       // To the driver; ports stay here.
  kReady = 3,        // From the driver: 1, it has made that port.
  kConsole = 4,      // To the driver: the port is a terminal.
  kResize = 5,       // To the driver, with its size.
  kOpen = 6,         // Either: 1, somebody is there; 0, nobody is.
  kName = 7,         // To the driver, with the name and no NUL.
};

constexpr uint32_t bit(ConsoleEvent event) { return uint32_t{1} << static_cast<uint16_t>(event); }

struct ConsoleControl {
  le32 port;
  le16 event;
  le16 value;
};
static_assert(sizeof(ConsoleControl) == 8);

struct ConsoleResize {  // Follows it. Linux, and with it QEMU, has the columns first.
  le16 columns;
  le16 rows;
};

}  // namespace cloche

// Terminals and streams of a guest besides those of its command: descriptors of the host that its programs find as
// devices.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace cloche {

inline constexpr size_t kMostConsolePorts = 31;      // The device has 32; one may be the kernel's log.
inline constexpr size_t kMostSerialConsoles = 2;     // Those that have an interrupt of their own.
inline constexpr size_t kMostConsoleNameBytes = 64;  // So that a name fits into any buffer of a driver's.

enum class ConsoleKind : uint8_t {
  kVirtio,  // Ports of the guest's virtio-console, which has up to kMostConsolePorts of them altogether.
  kSerial,  // A 16550A with one port, a terminal without a name: /dev/ttyS0, and /dev/ttyS1 for the second.
};

enum class ConsolePortKind : uint8_t {
  kStream,    // /dev/vportNpM; /sys/class/virtio-ports/vportNpM/name is its name. One without an output ends when its
              // input does; in one that has both, Linux would not let a program write any more.
  kTerminal,  // /dev/hvc0, /dev/hvc1 ... in the order of Config::consoles and their ports.
};

// `input` and `output` are descriptors of the caller, which the VM's process inherits; -1 is none. Where the input is a
// terminal of the host's, one of the guest's has its size, which Vm::resize() has it look at again. Making the host's
// raw is up to the caller (RawTerminal of cloche/foreground.h).
struct GuestConsolePort {
  std::string name{};  // At most kMostConsoleNameBytes.
  ConsolePortKind kind = ConsolePortKind::kStream;
  int input = -1;
  int output = -1;
};

struct GuestConsole {
  ConsoleKind kind = ConsoleKind::kVirtio;
  std::vector<GuestConsolePort> ports{};
};

}  // namespace cloche

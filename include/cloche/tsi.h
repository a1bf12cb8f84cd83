// Transparent socket impersonation: the sockets of the guest's programs are the host's, without a network device.
//
// The guest's kernel has to know it, as libkrunfw's does. A program's connect() goes to the guest's own sockets first;
// where nothing answers there, the VM's process connects from the host.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cloche/network.h"

namespace cloche {

// Whether TCP and UDP of the guest, IPv4 and IPv6, go through the host.
enum class TsiInet : uint8_t { kOn, kOff };

// Whether the guest reaches what listens on the host's own loopback, and trusts whoever gets at it.
enum class TsiLoopback : uint8_t { kRefused, kAllowed };

// Which of the TCP ports on which the guest's programs listen are the host's.
enum class TsiListeners : uint8_t {
  kPublished,  // Those of Tsi::ports. The others can be reached in the guest only.
  kAll,        // Each, at the address and by the number that the guest's program chose.
};

struct Tsi {
  TsiInet inet = TsiInet::kOn;
  TsiLoopback loopback = TsiLoopback::kRefused;
  TsiListeners listeners = TsiListeners::kPublished;
  // TCP only. A program of the guest that listens at its loopback is to be reached at the host's.
  std::vector<PublishedPort> ports{};
  // Absolute directories of the host: the guest's programs connect to the UNIX sockets beneath them, and listen there,
  // by the same paths. "/" is the whole host, its abstract names included. Empty: UNIX sockets stay within the guest.
  std::vector<std::string> unix_directories{};
};

}  // namespace cloche

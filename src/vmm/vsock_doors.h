// VsockDoors: the UNIX sockets of the host that lead to ports of the guest's vsock, or that ports lead to. Loop thread.
#pragma once

#include <memory>
#include <vector>

#include "machine/machine.h"
#include "wire/vmm.h"

namespace cloche {

class VsockDoors {
 public:
  // Makes the sockets on which we listen. Clients wait until attach().
  static Result<std::unique_ptr<VsockDoors>> create(std::vector<wire::VmVsockPort> ports);
  // Removes them.
  ~VsockDoors();
  VsockDoors(const VsockDoors&) = delete;
  VsockDoors& operator=(const VsockDoors&) = delete;

  // `machine` outlives its use of this, and this the machine's loop.
  Result<void> attach(Machine& machine);

 private:
  struct Door {
    wire::VmVsockPort port;
    Fd listener;  // Where we listen.
  };
  VsockDoors() = default;
  std::vector<Door> doors_;
};

}  // namespace cloche

#include "vmm/vsock_doors.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sandbox/outer_socket.h"

namespace cloche {
namespace {

constexpr int kWaiting = 128;

// A client that comes before somebody listens in the guest finds the connection closed.
void let_in(Machine& machine, uint32_t port, int listener) {
  Fd client(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (client) machine.connect_guest(port, std::move(client), [](const Result<void>&) {});
}

}  // namespace

Result<std::unique_ptr<VsockDoors>> VsockDoors::create(std::vector<wire::VmVsockPort> ports) {
  std::unique_ptr<VsockDoors> made(new VsockDoors);
  for (wire::VmVsockPort& port : ports) {
    Door door{std::move(port), {}};
    if (door.port.listens) door.listener = TRY(sandbox::bind_socket(door.port.socket_path));
    made->doors_.push_back(std::move(door));
    Fd& listener = made->doors_.back().listener;
    if (listener && ::listen(listener.get(), kWaiting) < 0)
      return fail_errno("listen on " + made->doors_.back().port.socket_path);
  }
  return made;
}

VsockDoors::~VsockDoors() {
  for (const Door& door : doors_)
    if (door.listener) ::unlink(door.port.socket_path.c_str());
}

Result<void> VsockDoors::attach(Machine& machine) {
  for (const Door& door : doors_) {
    uint32_t port = door.port.port;
    if (!door.listener) {
      machine.on_guest_connect(port, [path = door.port.socket_path] { return sandbox::connect_outer_socket(path); });
      continue;
    }
    int listener = door.listener.get();
    TRY(machine.loop().watch(listener, EPOLLIN,
                             [&machine, port, listener](uint32_t) { let_in(machine, port, listener); }));
  }
  return {};
}

}  // namespace cloche

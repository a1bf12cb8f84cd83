// The ways between the guest's vsock and UNIX sockets of the host.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "api/plan.h"

namespace cloche {
namespace {

constexpr uint32_t kFirstPort = 16;        // Below are those of wire/guest.h and wire/agent.h.
constexpr uint32_t kAnyPort = UINT32_MAX;  // VMADDR_PORT_ANY.
constexpr size_t kMaxPorts = 256;

}  // namespace

Result<void> plan_vsock(const Config& config, Plan& plan) {
  if (config.vsock_ports.size() > kMaxPorts)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("vsock ports: {} are too many; a VM takes {}", config.vsock_ports.size(), kMaxPorts));
  for (const VsockPort& port : config.vsock_ports) {
    auto bad = [&](std::string_view why) {
      return fail(ErrorCode::kInvalidArgument, fmt::format("vsock port {}: {}", port.port, why));
    };
    if (port.port < kFirstPort) return bad(fmt::format("those below {} are cloche's own", kFirstPort));
    if (port.port == kAnyPort) return bad("this is no port");
    if (port.socket_path.empty()) return bad("it needs the path of a socket");
    auto taken = [&](const wire::VmVsockPort& other) { return other.port == port.port; };
    if (std::ranges::any_of(plan.vm.vsock_ports, taken)) return bad("given twice");
    std::error_code error;
    std::string path = std::filesystem::absolute(port.socket_path, error).string();
    if (port.listener == VsockListener::kGuest && std::filesystem::exists(path, error))
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("vsock port {}: socket {}: something is there", port.port, path), EEXIST);
    plan.vm.vsock_ports.push_back({port.port, std::move(path), port.listener == VsockListener::kGuest});
  }
  return {};
}

}  // namespace cloche

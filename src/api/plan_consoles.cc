// The guest's consoles, and which of the VM's process's descriptors they have.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "api/launch.h"
#include "api/plan.h"

namespace cloche {
namespace {

// How an error calls a console, with its place among the others.
class Complaint {
 public:
  explicit Complaint(size_t index) : index_(index) {}
  std::unexpected<Error> operator()(const std::string& why) const {
    return fail(ErrorCode::kInvalidArgument, fmt::format("console {}: {}", index_, why));
  }

 private:
  size_t index_;
};

Result<int32_t> pass(int fd, size_t port, const Complaint& bad, Plan& plan) {
  if (fd == -1) return -1;
  if (fd < -1 || ::fcntl(fd, F_GETFD) < 0) return bad(fmt::format("port {}: descriptor {} is not open", port, fd));
  plan.descriptors.push_back(fd);
  return kFirstPassed + static_cast<int32_t>(plan.descriptors.size()) - 1;
}

Result<wire::VmConsolePort> plan_port(const GuestConsolePort& port, size_t index, const Complaint& bad, Plan& plan) {
  if (port.name.size() > kMostConsoleNameBytes)
    return bad(fmt::format("port {}: its name has more than {} bytes", index, kMostConsoleNameBytes));
  if (port.name.find('\0') != std::string::npos) return bad(fmt::format("port {}: its name holds a NUL", index));
  return wire::VmConsolePort{.name = port.name,
                             .is_terminal = port.kind == ConsolePortKind::kTerminal,
                             .input = TRY(pass(port.input, index, bad, plan)),
                             .output = TRY(pass(port.output, index, bad, plan))};
}

Result<void> plan_one(const GuestConsole& console, size_t index, Plan& plan) {
  Complaint bad(index);
  wire::VmConsole planned{.is_serial = console.kind == ConsoleKind::kSerial};
  if (planned.is_serial && (console.ports.size() != 1 || console.ports[0].kind != ConsolePortKind::kTerminal))
    return bad("a serial console is one terminal");
  if (console.ports.empty()) return bad("it has no port");
  for (size_t port = 0; port < console.ports.size(); ++port)
    planned.ports.push_back(TRY(plan_port(console.ports[port], port, bad, plan)));
  plan.vm.consoles.push_back(std::move(planned));
  return {};
}

// A guest that has its own first program talks on the command's streams.
std::vector<wire::VmConsole> default_consoles(const Config& config) {
  int32_t input = config.input == Input::kCarried ? STDIN_FILENO : -1;
  if (config.firmware_path.empty())
    return {{.ports = {{.is_terminal = true, .input = input, .output = STDOUT_FILENO}}}};
  return {{.is_serial = true, .ports = {{.is_terminal = true, .input = input, .output = STDOUT_FILENO}}},
          {.ports = {{.is_terminal = true, .output = STDOUT_FILENO}}}};
}

}  // namespace

Result<void> plan_consoles(const Config& config, Plan& plan) {
  size_t serial = 0, ports = 0;
  for (const GuestConsole& console : config.consoles) {
    if (console.kind == ConsoleKind::kSerial)
      ++serial;
    else
      ports += console.ports.size();
  }
  if (serial > kMostSerialConsoles)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("consoles: {} serial ones, and {} are the most", serial, kMostSerialConsoles));
  if (ports > kMostConsolePorts)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("consoles: {} ports, and {} are the most", ports, kMostConsolePorts));
  for (size_t index = 0; index < config.consoles.size(); ++index) TRY(plan_one(config.consoles[index], index, plan));
  if (config.consoles.empty() && plan.vm.boot.is_guests) plan.vm.consoles = default_consoles(config);
  return {};
}

}  // namespace cloche

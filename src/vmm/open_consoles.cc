#include "vmm/open_consoles.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

namespace cloche {
namespace {

Result<Fd> inherited(int number) {
  if (number < 0) return Fd();
  if (number <= STDERR_FILENO) {  // The machine has those as the command's.
    Fd copy(::fcntl(number, F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
    if (!copy) return fail_errno("duplicate a descriptor");
    return copy;
  }
  Fd fd(number);
  if (::fcntl(number, F_SETFD, FD_CLOEXEC) < 0) return fail_errno("use its descriptor");
  return fd;
}

Result<MachineConsole> open_console(const wire::VmConsole& console) {
  MachineConsole opened{.is_serial = console.is_serial, .ports = {}};
  for (const wire::VmConsolePort& port : console.ports) {
    opened.ports.push_back({.name = port.name,
                            .kind = port.is_terminal ? PortKind::kConsole : PortKind::kPlain,
                            .input = TRY(inherited(port.input)),
                            .output = TRY(inherited(port.output)),
                            .follows_size = port.is_terminal && ::isatty(port.input) == 1});
  }
  return opened;
}

}  // namespace

Result<std::vector<MachineConsole>> open_consoles(const std::vector<wire::VmConsole>& consoles) {
  std::vector<MachineConsole> opened;
  for (size_t index = 0; index < consoles.size(); ++index) {
    auto console = open_console(consoles[index]);
    if (!console) return std::unexpected(std::move(console).error().in(fmt::format("console {}", index)));
    opened.push_back(std::move(*console));
  }
  return opened;
}

}  // namespace cloche

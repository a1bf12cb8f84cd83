// Consoles.
#include <unistd.h>

#include <cerrno>

#include "krun/context.h"
#include "libkrun.h"

namespace cloche::krun {
namespace {

constexpr size_t kMostConsoles = 16;

bool is_full(const Context& context) { return context.consoles.size() == kMostConsoles; }

int32_t add_port(uint32_t ctx_id, uint32_t console_id, const char* name, GuestConsolePort port) {
  return with_context(ctx_id, [&](Context& context) {
    if (console_id >= context.consoles.size()) return -EINVAL;
    AddedConsole& console = context.consoles[console_id];
    if (console.kind != AddedConsole::Kind::kMultiport || console.ports.size() == kMostConsolePorts) return -EINVAL;
    port.name = name == nullptr ? "" : name;
    if (port.name.size() > kMostConsoleNameBytes) return -EINVAL;
    console.ports.push_back(port);
    return 0;
  });
}

}  // namespace
}  // namespace cloche::krun

using namespace cloche::krun;
using cloche::ConsolePortKind;

extern "C" {

int32_t krun_set_console_output(uint32_t ctx_id, const char* c_filepath) {
  return with_context(ctx_id, [&](Context& context) {
    if (c_filepath == nullptr || *c_filepath == '\0' || context.console_path) return -EINVAL;
    context.console_path = c_filepath;
    return 0;
  });
}

int32_t krun_disable_implicit_console(uint32_t ctx_id) {
  return with_context(ctx_id, [](Context& context) {
    context.has_implicit_console = false;
    return 0;
  });
}

int32_t krun_add_virtio_console_default(uint32_t ctx_id, int input_fd, int output_fd, int err_fd) {
  return with_context(ctx_id, [&](Context& context) {
    if (input_fd < -1 || output_fd < -1 || err_fd < -1) return -EINVAL;
    if (is_full(context)) return -EINVAL;
    context.consoles.push_back({.streams = {input_fd, output_fd, err_fd}});
    return 0;
  });
}

int32_t krun_add_serial_console_default(uint32_t ctx_id, int input_fd, int output_fd) {
  return with_context(ctx_id, [&](Context& context) {
    if (input_fd < -1 || output_fd < -1 || context.serial_consoles.size() == cloche::kMostSerialConsoles)
      return -EINVAL;
    context.serial_consoles.push_back(
        {.kind = cloche::ConsoleKind::kSerial,
         .ports = {{.kind = ConsolePortKind::kTerminal, .input = input_fd, .output = output_fd}}});
    return 0;
  });
}

int32_t krun_add_virtio_console_multiport(uint32_t ctx_id) {
  return with_context(ctx_id, [](Context& context) {
    if (is_full(context)) return -EINVAL;
    context.consoles.push_back({.kind = AddedConsole::Kind::kMultiport});
    return static_cast<int32_t>(context.consoles.size()) - 1;
  });
}

int32_t krun_add_console_port_tty(uint32_t ctx_id, uint32_t console_id, const char* name, int tty_fd) {
  if (tty_fd < 0) return with_context(ctx_id, [](Context&) { return -EINVAL; });
  if (::isatty(tty_fd) != 1) return with_context(ctx_id, [](Context&) { return -ENOTTY; });
  return add_port(ctx_id, console_id, name, {.kind = ConsolePortKind::kTerminal, .input = tty_fd, .output = tty_fd});
}

int32_t krun_add_console_port_inout(uint32_t ctx_id, uint32_t console_id, const char* name, int input_fd,
                                    int output_fd) {
  if (input_fd < -1 || output_fd < -1) return with_context(ctx_id, [](Context&) { return -EINVAL; });
  return add_port(ctx_id, console_id, name, {.input = input_fd, .output = output_fd});
}

int32_t krun_set_kernel_console(uint32_t ctx_id, const char* console_id) {
  return with_context(ctx_id, [&](Context& context) {
    if (console_id == nullptr || *console_id == '\0') return -EINVAL;
    context.extra_command_line += std::string(" console=") + console_id;  // The kernel takes the last one.
    return 0;
  });
}

}  // extern "C"

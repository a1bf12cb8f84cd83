// Consoles.
#include <cerrno>

#include "krun/context.h"
#include "libkrun.h"

using namespace cloche::krun;

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

// The command has one set of streams, and so there is one such console.
int32_t krun_add_virtio_console_default(uint32_t ctx_id, int input_fd, int output_fd, int err_fd) {
  return with_context(ctx_id, [&](Context& context) {
    if (input_fd < -1 || output_fd < -1 || err_fd < -1) return -EINVAL;
    if (context.console) return -ENOTSUP;
    context.console = {input_fd, output_fd, err_fd};
    return 0;
  });
}

int32_t krun_add_serial_console_default(uint32_t ctx_id, int, int) {
  return with_context(ctx_id, [](Context&) { return -ENOTSUP; });
}

int32_t krun_add_virtio_console_multiport(uint32_t ctx_id) {
  return with_context(ctx_id, [](Context&) { return -ENOTSUP; });
}

int32_t krun_add_console_port_tty(uint32_t ctx_id, uint32_t, const char*, int) {
  return with_context(ctx_id, [](Context&) { return -ENOTSUP; });
}

int32_t krun_add_console_port_inout(uint32_t ctx_id, uint32_t, const char*, int, int) {
  return with_context(ctx_id, [](Context&) { return -ENOTSUP; });
}

int32_t krun_set_kernel_console(uint32_t ctx_id, const char* console_id) {
  return with_context(ctx_id, [&](Context& context) {
    if (console_id == nullptr || *console_id == '\0') return -EINVAL;
    context.extra_command_line += std::string(" console=") + console_id;  // The kernel takes the last one.
    return 0;
  });
}

}  // extern "C"

/* Firmware in the place of a kernel:  firmware IMAGE */
#include <libkrun.h>

#include "check.h"

int main(int argc, char** argv) {
  uint32_t id;
  if (argc < 2) return 2;
  CHECK(krun_set_log_level(KRUN_LOG_LEVEL_ERROR), 0);
  id = (uint32_t)krun_create_ctx();
  CHECK(krun_set_vm_config(id, 1, 64), 0);
  CHECK(krun_disable_implicit_vsock(id), 0);
  CHECK(krun_set_firmware(id, NULL), -EINVAL);
  CHECK(krun_set_firmware(id, argv[1]), 0);
  CHECK(krun_add_serial_console_default(id, -1, 1), 0);
  fprintf(stderr, "krun_start_enter: %d\n", krun_start_enter(id));
  return 1;
}

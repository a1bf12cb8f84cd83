/* A kernel of the caller's with an initramfs and a command line of its own:
 * external_kernel KERNEL FORMAT INITRAMFS COMMAND_LINE [DISK...]
 *
 * INITRAMFS "-" is none, and so is COMMAND_LINE. */
#include <libkrun.h>
#include <string.h>

#include "check.h"

int main(int argc, char** argv) {
  const char *initramfs, *line;
  uint32_t id;
  int at;
  if (argc < 5) return 2;
  initramfs = strcmp(argv[3], "-") != 0 ? argv[3] : NULL;
  line = strcmp(argv[4], "-") != 0 ? argv[4] : NULL;
  CHECK(krun_set_log_level(KRUN_LOG_LEVEL_ERROR), 0);
  id = (uint32_t)krun_create_ctx();
  CHECK(krun_set_vm_config(id, 1, 128), 0);
  CHECK(krun_set_nested_virt(id, true), 0);
  CHECK(krun_disable_implicit_vsock(id), 0);
  CHECK(krun_set_kernel(id, argv[1], (uint32_t)atoi(argv[2]), "/no/such/initramfs", NULL), -EINVAL);
  CHECK(krun_set_kernel(id, argv[1], KRUN_KERNEL_FORMAT_PE_GZ, NULL, NULL), -ENOTSUP);
  CHECK(krun_set_kernel(id, argv[1], (uint32_t)atoi(argv[2]), initramfs, line), 0);
  for (at = 5; at < argc; ++at) CHECK(krun_add_disk(id, "disk", argv[at], true), 0);
  fprintf(stderr, "krun_start_enter: %d\n", krun_start_enter(id));
  return 1;
}
